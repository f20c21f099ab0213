package server

import (
	"cmp"
	"context"
	"strconv"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/audit"
	"github.com/hallpass-go/hallpass/internal/page"
	"github.com/hallpass-go/hallpass/ratelimit"
)

// limitedLogins is how often log-ins that a limit refuses are recorded, for each address: a
// guesser who goes on beyond the limit shall not fill the database.
var limitedLogins = ratelimit.Limit{Name: "audit", Burst: 1, Per: time.Minute}

// RecordEvents returns a listener for [hallpass.Config.Record] that adds an entry for each event.
func RecordEvents(log *audit.Log, now func() time.Time) func(context.Context, hallpass.Event) error {
	recorded := ratelimit.NewMemory(0)
	return func(ctx context.Context, e hallpass.Event) error {
		rec := recordOf(ctx)
		entry := audit.Entry{
			At: now(), Event: e.Name, UserID: e.Subject, ActorID: e.Actor, SessionID: e.SessionID, TokenID: e.TokenID,
			KeyID: e.KeyID, Reason: e.Code(), Detail: e.Reason, IP: cmp.Or(e.Client.IP, rec.client.IP),
			RequestID: rec.id,
		}
		if entry.Reason == hallpass.ErrRateLimited.Code {
			one := []ratelimit.Charge{{Limit: limitedLogins, Key: ratelimit.AddressKey(entry.IP), Cost: 1}}
			if d, err := recorded.Take(ctx, now(), one); err != nil || !d.Allowed {
				return err
			}
		}
		return log.Add(ctx, entry)
	}
}

// auditDocument is an entry of the audit. What an entry does not have is null.
type auditDocument struct {
	ID        string    `json:"id"`
	At        time.Time `json:"at"`
	Event     string    `json:"event"`
	UserID    *string   `json:"user_id"`
	ActorID   *string   `json:"actor_id"`
	SessionID *string   `json:"session_id"`
	TokenID   *string   `json:"token_id"`
	KeyID     *string   `json:"key_id"`
	Reason    *string   `json:"reason"`
	Detail    *string   `json:"detail"`
	IP        *string   `json:"ip"`
	RequestID *string   `json:"request_id"`
}

func newAuditDocument(e audit.Entry) auditDocument {
	orNull := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	return auditDocument{
		ID: strconv.FormatInt(e.ID, 10), At: e.At, Event: e.Event, UserID: orNull(e.UserID), ActorID: orNull(e.ActorID),
		SessionID: orNull(e.SessionID), TokenID: orNull(e.TokenID), KeyID: orNull(e.KeyID), Reason: orNull(e.Reason),
		Detail: orNull(e.Detail), IP: orNull(e.IP), RequestID: orNull(e.RequestID),
	}
}

// auditParameters are those of a list, and the filters.
var auditParameters = append([]string{"user", "actor", "session", "event", "since", "until"}, page.Parameters...)

// listAudit shows what happened, newest first.
func (s *Server) listAudit(r request) (answer, error) {
	p, before, err := page.ParseNumbered(r.Query)
	if err != nil {
		return answer{}, err
	}
	q := r.Query
	for _, name := range []string{"user", "actor", "session", "event"} {
		if q.Has(name) && q.Get(name) == "" { // which would select everything
			return answer{}, hallpass.InvalidFields(hallpass.FieldError{
				Field: name, Code: "invalid", Detail: "This is empty. Leave it out to see all entries.",
			})
		}
	}
	filter := audit.Filter{
		UserID: q.Get("user"), ActorID: q.Get("actor"), SessionID: q.Get("session"), Event: q.Get("event"),
	}
	for _, bound := range []struct {
		name string
		time *time.Time
	}{{"since", &filter.Since}, {"until", &filter.Until}} {
		if !q.Has(bound.name) {
			continue
		}
		if *bound.time, err = time.Parse(time.RFC3339, q.Get(bound.name)); err != nil {
			return answer{}, hallpass.InvalidFields(hallpass.FieldError{
				Field: bound.name, Code: "invalid", Detail: "This is not a time like 2006-01-02T15:04:05Z.",
			})
		}
	}
	entries, err := s.c.Audit.Before(r.Context(), filter, before, p.Limit+1)
	documents := make([]auditDocument, len(entries))
	for i, e := range entries {
		documents[i] = newAuditDocument(e)
	}
	return answer{Body: page.NewList(p, documents, func(d auditDocument) string { return d.ID })}, err
}
