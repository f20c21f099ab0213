-- Times are microseconds since 1970, in UTC; 0 is no time.

CREATE TABLE sessions (
	id           TEXT    NOT NULL PRIMARY KEY,
	subject      TEXT    NOT NULL,
	generation   INTEGER NOT NULL,
	rotated_at   INTEGER NOT NULL,
	created_at   INTEGER NOT NULL,
	last_used_at INTEGER NOT NULL,
	idle_expiry  INTEGER NOT NULL, -- never after expiry
	expiry       INTEGER NOT NULL,
	auth_time    INTEGER NOT NULL,
	revoked_at   INTEGER NOT NULL,
	ip           TEXT    NOT NULL,
	user_agent   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_subject ON sessions (subject, created_at, id);
CREATE INDEX sessions_by_idle_expiry ON sessions (idle_expiry);

CREATE TABLE revocations (
	sequence   INTEGER PRIMARY KEY AUTOINCREMENT, -- a number is never given again
	kind       TEXT    NOT NULL,
	revoked_id TEXT    NOT NULL, -- of the session, the token or the subject
	before     INTEGER NOT NULL,
	expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX revocations_by_expires_at ON revocations (expires_at);
