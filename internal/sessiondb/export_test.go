package sessiondb

// Statements are the statements that search for rows.
var Statements = map[string]string{
	"selectSession":       selectSession,
	"selectSessions":      selectSessions,
	"selectSessionsAfter": selectSessionsAfter,
	"updateSession":       updateSession,
	"updateRotated":       updateRotated,
	"selectChanged":       selectChanged,
	"selectAccessExpiry":  selectAccessExpiry,
	"selectEnding":        selectEnding,
	"selectEndings":       selectEndings,
	"updateRevokedAt":     updateRevokedAt,
	"selectRevocations":   selectRevocations,
	"deleteSessions":      deleteSessions,
	"deleteRevocations":   deleteRevocations,
}

// SweepBatch is the maximum number of records that one transaction deletes.
const SweepBatch = sweepBatch
