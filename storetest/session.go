package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/hallpass-go/hallpass"
)

var sessionTests = []subtest{
	{"isKeptToTheMicrosecond", func(s *suite) {
		want := session("a", "ada", 0)
		want.Generation = 1<<32 - 2
		want.RotatedAt, want.LastUsedAt = start.Add(time.Minute), start.Add(2*time.Minute)
		want.AuthTime, want.RevokedAt = start.Add(3*time.Minute), start.Add(4*time.Minute)
		s.create(want)
		s.equal("session", s.session("a"), kept(want))
	}},
	{"emptyFieldsStayEmpty", func(s *suite) {
		want := session("a", "ada", 0)
		want.AuthTime, want.Client = time.Time{}, hallpass.Client{}
		s.create(want)
		got := s.session("a")
		s.equal("session", got, kept(want))
		if !got.RevokedAt.IsZero() || !got.AuthTime.IsZero() {
			s.Errorf("RevokedAt %v and AuthTime %v, want the zero time", got.RevokedAt, got.AuthTime)
		}
	}},
	{"idleExpiryIsCapped", func(s *suite) {
		long := session("a", "ada", 0)
		long.IdleExpiry = long.Expiry.Add(time.Microsecond)
		s.create(long)
		s.equal("IdleExpiry", s.session("a").IdleExpiry, at(absolute))
	}},
	{"unknownIsNotFound", func(s *suite) {
		s.create(session("a", "ada", 0))
		s.gone("A")
		s.gone("a ")
		s.gone("")
	}},
	{"idThatExistsIsRefused", func(s *suite) {
		s.create(session("a", "ada", 0))
		err := s.store.CreateSession(s.Context(), session("a", "eve", time.Minute))
		if err == nil || errors.Is(err, hallpass.ErrStoreUnavailable) {
			s.Errorf("CreateSession: %v, want an error, and not ErrStoreUnavailable", err)
		}
		s.equal("session", s.session("a"), kept(session("a", "ada", 0)))
	}},
	{"listIsNewestFirst", func(s *suite) {
		s.create(session("m", "ada", 0), session("b", "ada", time.Second), session("z", "ada", time.Second),
			session("a", "ada", time.Minute), session("n", "bob", 0), session("o", "Ada", 0), session("p", "ada ", 0))
		s.equal("sessions of ada", s.sessions("ada", 2*time.Minute, "", 10), []string{"a", "z", "b", "m"})
		s.equal("sessions of bob", s.sessions("bob", 2*time.Minute, "", 10), []string{"n"})
		s.equal("sessions of nobody", s.sessions("eve", 2*time.Minute, "", 10), []string{})
	}},
	{"listHasThoseThatHaveNotEnded", func(s *suite) {
		revoked := session("revoked", "ada", 0)
		revoked.RevokedAt = start
		short := session("short", "ada", 0)
		short.Expiry = start.Add(time.Minute)
		s.create(revoked, short, session("idle", "ada", time.Microsecond), session("young", "ada", time.Second))
		s.equal("sessions", s.sessions("ada", time.Minute-time.Microsecond, "", 10), []string{"young", "idle", "short"})
		s.equal("sessions at the absolute expiry", s.sessions("ada", time.Minute, "", 10), []string{"young", "idle"})
		s.equal("sessions at the idle expiry", s.sessions("ada", idle+time.Microsecond, "", 10), []string{"young"})
		s.equal("sessions at the end", s.sessions("ada", idle+time.Second, "", 10), []string{})
	}},
	{"listHasPages", listHasPages},
	{"listWithoutALimitIsEmpty", func(s *suite) {
		s.create(session("a", "ada", 0))
		s.equal("limit 0", s.sessions("ada", time.Second, "", 0), []string{})
		s.equal("limit -1", s.sessions("ada", time.Second, "", -1), []string{})
	}},
	{"authTimeIsKept", func(s *suite) {
		s.create(session("a", "ada", 0), session("b", "ada", 0))
		got, err := s.store.SetAuthTime(s.Context(), "a", start.Add(time.Minute))
		if err != nil {
			s.Fatal(err)
		}
		want := kept(session("a", "ada", 0))
		want.AuthTime = at(time.Minute)
		s.equal("the session returned", got, want)
		s.equal("session", s.session("a"), want)
		s.equal("the other session", s.session("b"), kept(session("b", "ada", 0)))
	}},
	{"authTimeOfAnEndedSession", func(s *suite) {
		revoked := session("revoked", "ada", 0)
		revoked.RevokedAt = start
		s.create(revoked, session("idle", "ada", 0))
		for id, d := range map[string]time.Duration{"unknown": time.Second, "revoked": time.Second, "idle": idle} {
			if _, err := s.store.SetAuthTime(s.Context(), id, start.Add(d)); !errors.Is(err, hallpass.ErrNotFound) {
				s.Errorf("SetAuthTime of %s: %v, want ErrNotFound", id, err)
			}
		}
		s.equal("session", s.session("idle"), kept(session("idle", "ada", 0)))
		if _, err := s.store.SetAuthTime(s.Context(), "idle", start.Add(idle-time.Microsecond)); err != nil {
			s.Errorf("SetAuthTime just before the end: %v", err)
		}
	}},
}

// listHasPages walks pages while sessions begin and end: every session that lives all along is seen exactly once.
func listHasPages(s *suite) {
	for i := range 20 {
		s.create(session(fmt.Sprintf("s%02d", i), "ada", time.Duration(i/4)*time.Second))
	}
	var seen []string
	after := ""
	revoked, expired := session("revoked", "ada", 0), session("expired", "ada", 0)
	revoked.RevokedAt, expired.IdleExpiry = start, start.Add(time.Minute)
	s.create(revoked, expired)
	for page := range 20 {
		ids := s.sessions("ada", time.Minute, after, 3)
		if len(ids) == 0 {
			break
		}
		if len(ids) > 3 {
			s.Fatalf("a page of %d, want 3 at most", len(ids))
		}
		seen = append(seen, ids...)
		after = ids[len(ids)-1]
		s.create(session(fmt.Sprintf("late%d", page), "ada", 10*time.Second))
		if page == 1 {
			s.end(hallpass.Ending{SessionID: after, Now: start, ExpiresAt: start.Add(alive)})
		}
	}
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprintf("s%02d", 19-i))
	}
	s.equal("sessions", seen, want)
	s.equal("after a session that is not there", s.sessions("ada", time.Minute, "gone", 3), []string{})
	s.create(session("other", "bob", time.Hour))
	s.equal("after another subject's session", s.sessions("ada", time.Minute, "other", 3), []string{})
}
