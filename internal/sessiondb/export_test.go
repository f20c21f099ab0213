package sessiondb

// Statements are those that look for rows.
var Statements = map[string]string{
	"selectSession":       selectSession,
	"selectSessions":      selectSessions,
	"selectSessionsAfter": selectSessionsAfter,
	"updateSession":       updateSession,
	"updateSessionAsRead": updateSessionAsRead,
	"selectChanged":       selectChanged,
	"selectAccessExpiry":  selectAccessExpiry,
	"selectEnding":        selectEnding,
	"selectEndings":       selectEndings,
	"updateRevokedAt":     updateRevokedAt,
	"selectRevocations":   selectRevocations,
	"deleteSessions":      deleteSessions,
	"deleteRevocations":   deleteRevocations,
}

// SweepBatch is how many records one transaction deletes at most.
const SweepBatch = sweepBatch
