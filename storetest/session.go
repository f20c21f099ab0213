package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/hallpass-go/hallpass/sessions"
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
		want.AuthTime, want.Client = time.Time{}, sessions.Client{}
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
		err := s.store.CreateSession(s.Context(), session("a", "eve", time.Minute), latest)
		if err == nil || errors.Is(err, sessions.ErrUnavailable) {
			s.Errorf("CreateSession: %v, want an error, and not ErrUnavailable", err)
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
		s.equal("sessions", s.sessions("ada", time.Minute-time.Microsecond, "", 10),
			[]string{"young", "idle", "short"})
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
	{"stepUpIsTheNextGeneration", func(s *suite) {
		s.create(session("a", "ada", 0), session("b", "ada", 0))
		want := kept(session("a", "ada", 0))
		want.SteppedUp = true
		want.Generation, want.AuthTime, want.RotatedAt, want.LastUsedAt = 2, at(time.Minute), at(
			time.Minute,
		), at(time.Minute)
		want.IdleExpiry, want.AccessExpiry = at(time.Minute+idle), at(time.Minute+alive)
		s.equal("session", s.stepUp("a", time.Minute), want)
		s.equal("the other session", s.session("b"), kept(session("b", "ada", 0)))
		unproved := stepUp("a", 2*time.Minute)
		unproved.Proved = false
		got, err := s.store.StepUp(s.Context(), unproved)
		if err != nil || !got.AuthTime.Equal(at(time.Minute)) || got.Generation != 3 {
			s.Errorf("without a proof: %+v, %v", got, err)
		}
		s.rotate(rotation("a", 2, 2*time.Minute), sessions.Replayed)
	}},
	{"stepUpOfAnEndedSession", func(s *suite) {
		revoked := session("revoked", "ada", 0)
		revoked.RevokedAt = start
		s.create(revoked, session("idle", "ada", 0))
		for id, d := range map[string]time.Duration{"unknown": time.Second, "revoked": time.Second, "idle": idle} {
			if _, err := s.store.StepUp(s.Context(), stepUp(id, d)); !errors.Is(err, sessions.ErrNotFound) {
				s.Errorf("StepUp of %s: %v, want ErrNotFound", id, err)
			}
		}
		s.equal("session", s.session("idle"), kept(session("idle", "ada", 0)))
		s.stepUp("idle", idle-time.Microsecond)
	}},
	{"nothingBeginsWithWhatHasChangedSince", nothingBegins},
}

// nothingBegins checks that no session starts or is stepped up with a number from before a change
// of its subject. A change of another subject, or the end of a session, does not count.
func nothingBegins(s *suite) {
	s.create(session("a", "ada", 0), session("z", "zoe", 0))
	for i, e := range []sessions.Ending{
		{Subject: "ada", Record: sessions.RevokedSubject, OnlyRecord: true},
		{Subject: "ada", Record: sessions.RevokedCredentials, Except: "a"},
	} {
		since := s.sequence()
		e.Now, e.ExpiresAt = start, at(absolute)
		s.end(e)
		stale := session(fmt.Sprint("stale", i), "ada", 0)
		if err := s.store.CreateSession(s.Context(), stale, since); !errors.Is(err, sessions.ErrSubjectChanged) {
			s.Errorf("CreateSession after %s: %v, want ErrSubjectChanged", e.Record, err)
		}
		s.gone(stale.ID)
		up := stepUp("a", time.Second)
		up.Since = since
		if _, err := s.store.StepUp(s.Context(), up); !errors.Is(err, sessions.ErrSubjectChanged) {
			s.Errorf("StepUp after %s: %v, want ErrSubjectChanged", e.Record, err)
		}
		s.equal("generation", s.session("a").Generation, uint32(1))
		s.end(sessions.Ending{SessionID: "z", Now: start, ExpiresAt: at(absolute)})
		for id, subject := range map[string]string{"fresh": "ada", "bobs": "bob"} {
			after := since
			if subject == "ada" {
				after = s.sequence()
			}
			if err := s.store.CreateSession(s.Context(), session(fmt.Sprint(id, i), subject, 0), after); err != nil {
				s.Errorf("CreateSession for %s: %v", subject, err)
			}
		}
	}
}

// listHasPages reads pages while sessions start and end. A session that lives throughout must be
// seen exactly once.
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
			s.end(sessions.Ending{SessionID: after, Now: start, ExpiresAt: start.Add(alive)})
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
