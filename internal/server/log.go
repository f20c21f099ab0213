package server

import (
	"cmp"
	"context"
	"errors"
	"log/slog"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/keyring"
)

// EventKeyChanged tells that a signing key is in another state, whichever process brought it there.
const EventKeyChanged = "key_changed"

// KeyEvent returns the event that tells of a key's new state.
func KeyEvent(ctx context.Context, key keyring.KeyInfo) hallpass.Event {
	return hallpass.Event{Name: EventKeyChanged, Actor: hallpass.ActorOf(ctx), KeyID: key.ID, Reason: string(key.State)}
}

// LogEvents returns a listener that writes a line for each event. The refusal of a request is on
// the request's own line.
func LogEvents(log *slog.Logger) func(context.Context, hallpass.Event) {
	return func(ctx context.Context, e hallpass.Event) {
		rec := recordOf(ctx)
		if e.Name != hallpass.EventLoginFailed { // it only claims to be the subject's
			rec.subject = cmp.Or(rec.subject, e.Actor, e.Subject) // whose request it is
		}
		if e.Name == hallpass.EventRequestRefused {
			if refusal, ok := errors.AsType[*hallpass.Error](e.Err); ok {
				rec.code, rec.cause = refusal.Code, refusal.Cause
			}
			return
		}
		level := slog.LevelInfo
		switch e.Name {
		case hallpass.EventRefreshReused, hallpass.EventFailed, hallpass.EventAllRevoked:
			level = slog.LevelWarn
		}
		attributes := make([]slog.Attr, 0, 10)
		for _, a := range []struct{ key, value string }{
			{"user_id", e.Subject}, {"actor_id", e.Actor}, {"session_id", e.SessionID}, {"jti", e.TokenID},
			{"kid", e.KeyID}, {"state", e.Reason}, {"ip", cmp.Or(e.Client.IP, rec.client.IP)}, {"request_id", rec.id},
		} {
			if a.value != "" {
				attributes = append(attributes, slog.String(a.key, a.value))
			}
		}
		if e.Err != nil {
			attributes = append(attributes, slog.Any("err", e.Err))
		}
		log.LogAttrs(ctx, level, e.Name, attributes...)
	}
}
