package e2e

import (
	"net/http"
	"testing"
)

// auditRules find what the database has and the audit does not tell of, or the other way round.
// Each query counts such rows.
var auditRules = []struct{ wrong, query string }{
	{"users whom nobody created", `SELECT count(*) FROM users WHERE NOT EXISTS
		(SELECT 1 FROM audit WHERE event = 'user_created' AND user_id = users.id)`},
	{"users created and never deleted, who are not there", `SELECT count(*) FROM audit a
		WHERE event = 'user_created' AND user_id NOT IN (SELECT id FROM users) AND NOT EXISTS
		(SELECT 1 FROM audit WHERE event = 'user_deleted' AND user_id = a.user_id)`},
	{"users deleted, who are there", `SELECT count(*) FROM audit
		WHERE event = 'user_deleted' AND user_id IN (SELECT id FROM users)`},
	{"users with other roles than they were last given", `SELECT count(*) FROM users WHERE roles <>
		(SELECT detail FROM audit WHERE event IN ('user_created', 'roles_changed') AND user_id = users.id
			ORDER BY id DESC LIMIT 1)`},
	{"users disabled or enabled otherwise than told", `SELECT count(*) FROM users WHERE disabled <> COALESCE(
		(SELECT CASE event WHEN 'user_disabled' THEN 1 ELSE 0 END FROM audit
			WHERE event IN ('user_disabled', 'user_enabled')
			AND user_id = users.id ORDER BY id DESC LIMIT 1), 0)`},
	{"sessions that nobody started", `SELECT count(*) FROM sessions WHERE NOT EXISTS
		(SELECT 1 FROM audit WHERE event = 'session_started' AND session_id = sessions.id)`},
	{"sessions started, which are not there", `SELECT count(*) FROM audit
		WHERE event = 'session_started' AND session_id NOT IN (SELECT id FROM sessions)`},
	{"sessions ended otherwise than told", `SELECT count(*) FROM sessions WHERE (revoked_at <> 0) <> EXISTS
		(SELECT 1 FROM audit WHERE event IN ('session_ended', 'refresh_token_reused') AND session_id = sessions.id)`},
	{"sessions refreshed more or less often than told", `SELECT count(*) FROM sessions WHERE generation <> 1 +
		(SELECT count(*) FROM audit WHERE event IN ('session_refreshed', 'reauthenticated')
			AND session_id = sessions.id)`},
	{"keys in another state than told", `SELECT count(*) FROM signing_keys WHERE state <> COALESCE(
		(SELECT detail FROM audit WHERE event = 'key_changed' AND key_id = signing_keys.id
			ORDER BY id DESC LIMIT 1), '')`},
}

// checkAudit compares the audit with what the database has. The server must be stopped.
func (s *server) checkAudit() {
	s.t.Helper()
	db := s.database()
	defer db.Close()
	for _, rule := range auditRules {
		var n int
		if err := db.QueryRow(rule.query).Scan(&n); err != nil {
			s.t.Errorf("%s: %v", rule.wrong, err)
		}
		if n != 0 {
			s.t.Errorf("%d %s", n, rule.wrong)
		}
	}
}

// The rules find what they are for: each of these statements leaves a deed without its entry, or an
// entry without its deed.
func TestAudit_rulesFindEachFault(t *testing.T) {
	t.Parallel()
	s := serve(t)
	alice, root := s.join("alice"), s.admin("root")
	s.do(request{Do: "POST /v1/users/" + alice.ID + "/disable", Token: root.Access}).want(http.StatusOK, "")
	s.kill()
	s.checkAudit()
	db := s.database()
	defer db.Close()
	for n, fault := range []string{
		`DELETE FROM audit WHERE event = 'user_created'`,
		`DELETE FROM users`,
		`INSERT INTO audit (at, event, user_id) SELECT 0, 'user_deleted', id FROM users`,
		`UPDATE users SET roles = 'editor'`,
		`UPDATE users SET disabled = 1 - disabled`,
		`DELETE FROM audit WHERE event = 'session_started'`,
		`DELETE FROM sessions`,
		`UPDATE sessions SET revoked_at = CASE revoked_at WHEN 0 THEN 1 ELSE 0 END`,
		`UPDATE sessions SET generation = generation + 1`,
		`DELETE FROM audit WHERE event = 'key_changed'`,
	} {
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(fault); err != nil {
			t.Fatal(err)
		}
		var found int
		if err := tx.QueryRow(auditRules[n].query).Scan(&found); err != nil || found == 0 {
			t.Errorf("%s: nothing found of %q: %v", fault, auditRules[n].wrong, err)
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
}
