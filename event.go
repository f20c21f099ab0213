package hallpass

// Event is something that happened to an identity, for logs, audits and metrics. It holds no token.
type Event struct {
	Name      string // one of the Event constants
	Subject   string // whom it concerns, when that is known
	SessionID string
	Client    Client
	Err       error // why, for refusals and failures
}

// The names of events.
const (
	EventRequestRefused   = "request_refused"
	EventLoginFailed      = "login_failed"
	EventSessionStarted   = "session_started"
	EventSessionRefreshed = "session_refreshed"
	EventRefreshReplayed  = "refresh_token_replayed"
	EventRefreshReused    = "refresh_token_reused"
	EventRefreshRefused   = "refresh_refused"
	EventReauthenticated  = "reauthenticated"
	EventSessionEnded     = "session_ended"
	EventFailed           = "background_failed" // of [Auth.Run]
)
