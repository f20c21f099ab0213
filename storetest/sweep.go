package storetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hallpass-go/hallpass/sessions"
)

var sweepTests = []subtest{
	{"deletesWhatExpired", func(s *suite) {
		short := session("short", "ada", 0)
		short.Expiry = start.Add(time.Minute)
		revoked := session("revoked", "ada", 0)
		revoked.RevokedAt = start
		s.create(session("idle", "ada", 0), session("young", "ada", time.Hour), short, revoked)
		s.revoke(sessions.Revocation{Kind: sessions.RevokedToken, ID: "early", ExpiresAt: start.Add(time.Minute)})
		s.revoke(sessions.Revocation{Kind: sessions.RevokedToken, ID: "late", ExpiresAt: start.Add(time.Hour)})

		s.equal("swept at the expiry", s.sweep(time.Minute, 100), 0)
		s.equal("swept after the expiry", s.sweep(time.Minute+time.Microsecond, 100), 2)
		s.gone("short")
		s.session("idle")
		s.session("revoked")
		s.equal("revocations left", len(s.revocations(0, 0, 10)), 1)

		s.equal("swept at the idle expiry", s.sweep(idle, 100), 0)
		s.equal("swept after the idle expiry", s.sweep(idle+time.Microsecond, 100), 3)
		s.gone("idle")
		s.gone("revoked")
		s.equal("sessions left", s.sessions("ada", time.Hour, "", 10), []string{"young"})
		s.equal("swept again", s.sweep(idle+time.Microsecond, 100), 0)
	}},
	{"keepsASessionWhoseTokensLive", func(s *suite) {
		long := session("long", "ada", 0)
		long.AccessExpiry = start.Add(2 * idle)
		s.create(long)
		s.equal("swept at its end", s.sweep(idle+time.Second, 10), 0)
		s.equal("swept when its tokens have expired", s.sweep(2*idle+time.Second, 10), 1)
	}},
	{"hasALimit", func(s *suite) {
		for i := range 12 {
			s.create(session(fmt.Sprint("a", i), "ada", 0))
			s.revoke(sessions.Revocation{Kind: sessions.RevokedToken, ID: fmt.Sprint(i), ExpiresAt: start})
		}
		s.equal("limit 0", s.sweep(absolute, 0), 0)
		s.equal("limit -1", s.sweep(absolute, -1), 0)
		for left := 24; left > 0; {
			n := s.sweep(absolute, 5)
			s.equal("swept", n, min(5, left))
			if left -= n; n == 0 {
				break
			}
		}
		s.equal("swept at last", s.sweep(absolute, 5), 0)
	}},
	{"followsARotation", func(s *suite) {
		s.create(session("a", "ada", 0))
		s.rotate(rotation("a", 1, time.Minute), sessions.Rotated)
		s.equal("swept", s.sweep(idle+time.Second, 10), 0)
		s.equal("swept after the new expiry", s.sweep(idle+time.Minute+time.Microsecond, 10), 1)
	}},
	{"sequenceGrowsOn", func(s *suite) {
		r := sessions.Revocation{Kind: sessions.RevokedToken, ID: "jti", ExpiresAt: start}
		last := s.revoke(r).Sequence
		s.equal("swept", s.sweep(time.Minute, 10), 1)
		if got := s.revoke(r).Sequence; got <= last {
			s.Errorf("sequence number %d after %d was swept", got, last)
		}
	}},
	{"idOfASweptSessionIsNew", func(s *suite) {
		s.create(session("a", "ada", 0))
		s.equal("swept", s.sweep(absolute, 10), 1)
		s.create(session("a", "bob", 0))
		s.equal("sessions of ada", s.sessions("ada", time.Second, "", 10), []string{})
		s.equal("sessions of bob", s.sessions("bob", time.Second, "", 10), []string{"a"})
	}},
}

var contextTests = []subtest{
	{"thatHasEndedChangesNothing", func(s *suite) {
		s.create(session("a", "ada", 0), session("old", "ada", -absolute))
		revocation := sessions.Revocation{Kind: sessions.RevokedToken, ID: "jti", ExpiresAt: start}
		ctx := ended()
		calls := map[string]func() error{
			"CreateSession": func() error { return s.store.CreateSession(ctx, session("b", "ada", 0), latest) },
			"Session":       func() error { return second(s.store.Session(ctx, "a")) },
			"Sessions":      func() error { return second(s.store.Sessions(ctx, "ada", start, "", 10)) },
			"Rotate": func() error {
				_, _, err := s.store.Rotate(ctx, rotation("a", 1, time.Second))
				return err
			},
			"StepUp": func() error { return second(s.store.StepUp(ctx, stepUp("a", time.Second))) },
			"Sweep":  func() error { return second(s.store.Sweep(ctx, start, 10)) },
			"EndSessions": func() error {
				return second(s.store.EndSessions(ctx, sessions.Ending{Subject: "ada", Now: start}))
			},
			"Epoch": func() error { return second(s.store.Epoch(ctx)) },
			"EndAll": func() error {
				_, _, err := s.store.EndAll(ctx, start)
				return err
			},
			"Sequence":    func() error { return second(s.store.Sequence(ctx)) },
			"Revoke":      func() error { return second(s.store.Revoke(ctx, revocation)) },
			"Revocations": func() error { return second(s.store.Revocations(ctx, 0, start, 10)) },
		}
		for name, call := range calls {
			if err := call(); !errors.Is(err, sessions.ErrUnavailable) || !errors.Is(err, context.Canceled) {
				s.Errorf("%s: %v, want ErrUnavailable and context.Canceled", name, err)
			}
		}
		s.equal("session", s.session("a"), kept(session("a", "ada", 0)))
		s.equal("session", s.session("old"), kept(session("old", "ada", -absolute)))
		s.gone("b")
		s.equal("revocations", s.revocations(0, -absolute, 10), []sessions.Revocation(nil))
	}},
}

func second[T any](_ T, err error) error { return err }
