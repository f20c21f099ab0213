package hallpass

import "context"

// Event is something that happened, for logs, audits and metrics. It holds no token and no
// password. [Config.Observe] is told of it; an application adds its own with [Issuer.Tell].
type Event struct {
	Name      string // one of the Event constants
	Actor     string // who did it, when that is known and is not Subject: see [WithActor]
	Subject   string // whom it concerns, when that is known
	SessionID string
	TokenID   string // "jti" of the access token that was revoked
	KeyID     string // "kid" of the signing key that changed
	Reason    string // more of what happened: the new state of a key, the new roles of a user
	Client    Client
	Err       error // why, for refusals and failures
}

// Code returns the code of the refusal or failure ([Error.Code]) that e tells of, or "" if there was
// none.
func (e Event) Code() string {
	if e.Err == nil {
		return ""
	}
	return asError(e.Err).Code
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
	EventTokenRevoked     = "token_revoked"
	EventClientToken      = "client_token_issued" // Subject is the client
	EventAllRevoked       = "all_revoked"
	EventFailed           = "background_failed" // of [Auth.Run]
)

type actorKey struct{}

// WithActor returns a context for what one subject does to another, as an administrator does: the
// events of what is done with it name the actor.
func WithActor(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// ActorOf returns what [WithActor] has said, or "".
func ActorOf(ctx context.Context) string {
	actor, _ := ctx.Value(actorKey{}).(string)
	return actor
}

// Tell tells of an event of the application's own, such as a change of roles, and who is the actor:
// first [IssuerConfig.Record], then [IssuerConfig.Observe]. Within [Issuer.Atomically], Record takes
// part in its transaction, and Observe hears of the event once that is durable. An error is that of
// Record.
func (i *Issuer[T]) Tell(ctx context.Context, e Event) error {
	if actor := ActorOf(ctx); actor != e.Subject {
		e.Actor = actor
	}
	return i.Atomically(ctx, func(ctx context.Context) error {
		if i.c.Record != nil {
			if err := i.c.Record(ctx, e); err != nil {
				return storeError("recording "+e.Name, err)
			}
		}
		afterCommit(ctx, func(ctx context.Context) { i.c.Observe(ctx, e) })
		return nil
	})
}
