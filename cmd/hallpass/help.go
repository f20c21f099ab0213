package main

import "github.com/alecthomas/kong"

// helpTexts are the help of those flags whose text is too long for a line of their struct. A flag's
// tag names its text, like ${addr}.
var helpTexts = kong.Vars{
	"data": "Folder for the database and the secret that encrypts its keys. Created on " +
		"the first run with mode 0700.",
	"db": "Database: sqlite: and a path, or postgres://USER@HOST/DATABASE. Defaults to a SQLite " +
		"database in the data folder.",
	"secret_file": "File with the secret that encrypts the keys. Defaults to a file in the " +
		"data folder.",
	"settings": `JSON file of settings with the names of flags: {"addr": "127.0.0.1:9000"}. ` +
		"Flags and the environment override it.",
	"addr":         "Address to listen on. Port 0 selects a free port.",
	"signup":       "Let anybody create an account. With --no-signup only administrators can.",
	"password_min": "Minimum number of characters in a new password, at least 8.",
	"session_idle": "A session ends after this time without a refresh.",
	"session_max":  "A session ends after this time, even if it is refreshed.",
	"max_sessions": "Maximum number of sessions per user. A new session beyond it ends the " +
		"oldest. 0 means no limit.",
	"refresh_grace": "How long a used refresh token is answered with the same successor again.",
	"signing_algorithm": "Algorithm of the first signing key: ES256, ES384, ES512, EdDSA, RS256 to " +
		"RS512 or PS256 to PS512.",
	"key_rotation": "Rotate the signing key after this time, for example 720h for 30 days; 0s " +
		"means never.",
	"max_connections": "Maximum number of connections, lower if the limit of file descriptors " +
		"requires it. One address can use a quarter of them; loopback and proxies " +
		"can use all.",
	"account_limit": "Limit of wrong passwords per user name; off means no limit.",
	"address_limit": "Limit of wrong passwords per client address; off means no limit.",
	"signup_limit":  "Limit of sign-ups per client address; off means no limit.",
	"rename_limit":  "Limit of names that a user may ask for; off means no limit.",
	"refresh_limit": "Limit of refreshes per session, and of tokens per machine client; off means no limit.",
	"ask_limit":     "Limit of introspections per caller; off means no limit.",
	"user_limit":    "Limit of all requests per user; off means no limit.",
	"client_limit": "Limit of all requests per client address, except loopback and proxies; off " +
		"means no limit.",
	"acme_domain": "Get and renew a certificate for this name by itself (ACME, RFC 8555), and accept the " +
		"terms of the authority; can be repeated. Port 443 of the name must lead here.",
	"acme_email":     "Where the authority can reach you.",
	"acme_directory": "The authority. Defaults to Let's Encrypt.",
	"acme_http": "Also answer plain HTTP here: the authority, and redirects to HTTPS. For use with " +
		"port 80.",
	"behind_proxy": "Networks of proxies that terminate TLS for this server and whose " +
		"X-Forwarded-For is trusted.",
	"insecure_http": "Use plain HTTP on an address that others can reach. Passwords and tokens " +
		"can then be read in transit.",
	"drain_delay": "How long to keep serving after a stop signal, while /readyz answers 503.",
	"cors_origin": "Let pages of this origin, such as https://app.example, use the API (CORS); can be " +
		"repeated.",
	"browser_cookies": "Let pages of the same site leave their refresh token to a cookie that scripts cannot " +
		"read: docs/browsers.md.",
	"security_contact": "Whom to tell of a weakness, such as mailto:security@example.com, for security.txt " +
		"(RFC 9116).",
	"metrics_addr": "Address for GET /metrics (Prometheus), in plain HTTP and for everybody who reaches it. " +
		"By default --addr shows them to programs on this machine, unless there is a --behind-proxy.",
	"audit_since": "Only what happened since this time, such as 2006-01-02T15:04:05Z, or in the last " +
		"24h.",
	"user_cache": "How long answers of GET /v1/users/{id} and GET /v1/me are kept in memory, at most 1s. What this " +
		"server changes is seen at once all the same. 0s turns it off.",
	"audit_retention": "How long entries of the audit are kept.",
	"client_overlap": "How long the present secret is accepted beside the new one, at most 720h (30 days). " +
		"0s ends it, and the client's tokens, at once.",
	"log_level": "debug, info, warn or error.",
	"token_issuer": "Public URL of this server, used as the iss of its tokens. On loopback it " +
		"defaults to the URL of --addr; otherwise it is required.",
	"token_inspect_token": "The token, or - to read it from the first line of standard input, which " +
		"keeps it out of the shell history.",
	"key_check_source": "URL of a JWK set (RFC 7517), or a file that holds one.",
	"key_check_issuer": "Issuer whose keys to show, instead of a URL or a file: its metadata says " +
		"where they are.",
	"key_check_metadata":  "Where the issuer's metadata is, if it is not where the standards say.",
	"key_check_algorithm": "Algorithm of keys that name none, as Entra ID's: RS256 for most issuers.",
	"session_revoke_all": "End all sessions of all users, and refuse all tokens issued so far. For " +
		"use after a restore or a theft.",
	"user_add_role": `Role in addition to "user"; can be repeated. The role "admin" administers ` +
		"the server.",
	"user_import_file": "JSON lines, CSV with a first row of names, or a SQLite file. - is " +
		"standard input, with --format.",
	"user_import_format": "jsonl, csv or sqlite. Defaults to what the name of the file tells: .jsonl, .ndjson, " +
		".json, .csv, .db, .sqlite, .sqlite3.",
	"user_import_map": "Which column each field is read from: username, email, password (the hash), roles, disabled, " +
		"active (the opposite) and created_at. Fields that are not named are read from columns of their names.",
	"user_import_dry_run": "Try everything and change nothing: say how many passwords could be checked, per format, " +
		"and which rows would be refused.",
	"user_import_admins": `Let rows make administrators, with the role "admin". Without it they are refused.`,
	"user_password_min":  "Minimum number of characters in the password.",
}
