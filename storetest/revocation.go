package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hallpass-go/hallpass/sessions"
)

var revocationTests = []subtest{
	{"endsOneSession", func(s *suite) {
		s.create(session("a", "ada", 0), session("b", "ada", 0))
		recorded := s.end(sessions.Ending{
			SessionID: "a", Except: "a", Now: start.Add(time.Minute), ExpiresAt: start.Add(alive),
		})
		want := kept(session("a", "ada", 0))
		want.RevokedAt = at(time.Minute)
		s.equal("session", s.session("a"), want)
		s.equal("the other session", s.session("b"), kept(session("b", "ada", 0)))
		ends(s, recorded, "a")
	}},
	{"endsSessionsOfASubject", func(s *suite) {
		s.create(session("a", "ada", 0), session("b", "ada", 0), session("c", "bob", 0), session("d", "Ada", 0))
		recorded := s.end(sessions.Ending{Subject: "ada", Now: start.Add(time.Minute), ExpiresAt: start.Add(alive)})
		ends(s, recorded, "a", "b")
		s.equal("another subject's session", s.session("c"), kept(session("c", "bob", 0)))
		s.equal("another subject's session", s.session("d"), kept(session("d", "Ada", 0)))
	}},
	{"endsSessionsExceptOne", func(s *suite) {
		s.create(session("a", "ada", 0), session("b", "ada", 0), session("c", "ada", 0))
		recorded := s.end(sessions.Ending{
			Subject: "ada", Except: "b", Now: start.Add(time.Minute), ExpiresAt: start.Add(alive),
		})
		ends(s, recorded, "a", "c")
		s.equal("the session that lives on", s.session("b"), kept(session("b", "ada", 0)))
	}},
	{"endsSessionsThatHaveExpired", func(s *suite) {
		s.create(session("a", "ada", 0))
		ends(s, s.end(sessions.Ending{Subject: "ada", Now: start.Add(idle), ExpiresAt: start.Add(alive)}), "a")
	}},
	{"endsNothingTwice", func(s *suite) {
		s.create(session("a", "ada", 0))
		first := sessions.Ending{Subject: "ada", Now: start.Add(time.Minute), ExpiresAt: start.Add(alive)}
		ends(s, s.end(first), "a")
		want := s.session("a")
		for _, e := range []sessions.Ending{
			first, {SessionID: "a", Now: start.Add(time.Hour)}, {SessionID: "unknown", Now: start},
			{Subject: "eve", Now: start},
		} {
			if recorded := s.end(e); len(recorded) != 0 {
				s.Errorf("%+v recorded %+v, want nothing", e, recorded)
			}
		}
		s.equal("session", s.session("a"), want)
		s.equal("number of revocations", len(s.revocations(0, 0, 10)), 1)
	}},
	{"endingOfNothingOrBothIsRefused", func(s *suite) {
		s.create(session("a", "ada", 0), session("b", "", 0))
		for _, e := range []sessions.Ending{{Now: start}, {SessionID: "a", Subject: "ada", Now: start}} {
			if _, err := s.store.EndSessions(s.Context(), e); err == nil || errors.Is(err, sessions.ErrUnavailable) {
				s.Errorf("%+v: %v, want an error, and not ErrUnavailable", e, err)
			}
		}
		s.equal("session", s.session("a"), kept(session("a", "ada", 0)))
		s.equal("session", s.session("b"), kept(session("b", "", 0)))
	}},
	{"recordsTokensAndSubjects", func(s *suite) {
		s.create(session("a", "ada", 0))
		before := time.Unix(start.Unix()+1, 0)
		token := s.revoke(sessions.Revocation{
			Sequence: 99, Kind: sessions.RevokedToken, ID: "jti", ExpiresAt: start.Add(alive),
		})
		recorded := s.end(sessions.Ending{
			Subject: "ada", Record: sessions.RevokedSubject, OnlyRecord: true, Now: start,
			ExpiresAt: start.Add(alive),
		})
		if len(recorded) != 1 {
			s.Fatalf("recorded %+v", recorded)
		}
		subject := recorded[0]
		s.equal("token", token, sessions.Revocation{
			Sequence: token.Sequence, Kind: sessions.RevokedToken, ID: "jti", ExpiresAt: at(alive),
		})
		s.equal("subject", subject, sessions.Revocation{
			Sequence: subject.Sequence, Kind: sessions.RevokedSubject, ID: "ada", Before: before.UTC(),
			ExpiresAt: at(alive),
		})
		if token.Sequence < 1 || subject.Sequence <= token.Sequence {
			s.Errorf("sequence numbers %d, %d; want growing ones over 0", token.Sequence, subject.Sequence)
		}
		s.equal("revocations", s.revocations(0, 0, 10), []sessions.Revocation{token, subject})
		s.equal("the subject's session", s.session("a"), kept(session("a", "ada", 0)))
	}},
	{"keepsEveryID", func(s *suite) {
		var want []sessions.Revocation
		for _, id := range []string{"", "a,b", `"c"`, "'d'", "e f\n", "ü,", ",", "7"} {
			want = append(want, s.revoke(sessions.Revocation{
				Kind: sessions.RevokedToken, ID: id, ExpiresAt: start.Add(alive),
			}))
		}
		s.equal("revocations", s.revocations(0, 0, 10), want)
	}},
	{"recordsNoNumberBelowTheTime", func(s *suite) {
		before := time.Now().UnixMicro()
		r := s.revoke(sessions.Revocation{Kind: sessions.RevokedToken, ID: "jti", ExpiresAt: start})
		if r.Sequence < before || r.Sequence != s.sequence() {
			s.Errorf("number %d, the highest %d; want one of at least %d", r.Sequence, s.sequence(), before)
		}
		s.sweep(time.Minute, 10)
		s.equal("the highest number after a sweep", s.sequence(), r.Sequence)
	}},
	{"lastsUntilTheLastTokenHasExpired", func(s *suite) {
		long := session("a", "ada", 0)
		long.AccessExpiry = start.Add(24 * time.Hour)
		s.create(long, session("b", "ada", 0))
		for _, e := range []sessions.Ending{
			{Subject: "ada", Record: sessions.RevokedSubject, OnlyRecord: true}, {SessionID: "a"},
		} {
			e.Now, e.ExpiresAt = start, start.Add(alive)
			for _, r := range s.end(e) {
				s.equal("ExpiresAt of "+string(r.Kind), r.ExpiresAt, at(24*time.Hour))
			}
		}
		r := rotation("b", 1, time.Second)
		r.AccessExpiry = start.Add(12 * time.Hour)
		s.rotate(r, sessions.Rotated)
		r = rotation("b", 1, time.Second+grace+time.Second)
		r.AccessExpiry = start.Add(time.Minute)
		s.rotate(r, sessions.Reused)
		all := s.revocations(0, 0, 10)
		s.equal("ExpiresAt of a reuse", all[len(all)-1].ExpiresAt, at(12*time.Hour))
	}},
	{"isOneDeedWithWhatGoesWithIt", func(s *suite) {
		s.create(session("a", "ada", 0), session("b", "ada", 0))
		refused := errors.New("refused")
		e := sessions.Ending{
			Subject:   "ada",
			Except:    "b",
			Record:    sessions.RevokedCredentials,
			Now:       start,
			ExpiresAt: at(alive),
		}
		e.With = func(context.Context) error { return refused }
		if _, err := s.store.EndSessions(s.Context(), e); !errors.Is(err, refused) {
			s.Errorf("EndSessions: %v, want the error of With", err)
		}
		s.equal("revocations", s.revocations(0, 0, 10), []sessions.Revocation(nil))
		done := false
		e.With = func(context.Context) error { done = true; return nil }
		s.equal("recorded", len(s.end(e)), 2)
		s.equal("done", done, true)
		s.equal("sessions", s.sessions("ada", time.Second, "", 10), []string{"b"})
	}},
	{"endsAll", func(s *suite) {
		s.create(session("a", "ada", 0), session("b", "bob", 0))
		s.end(sessions.Ending{SessionID: "b", Now: start, ExpiresAt: at(alive)})
		epoch := s.epoch()
		s.equal("the epoch asked again", s.epoch(), epoch)
		since := s.sequence()
		n, recorded, err := s.store.EndAll(s.Context(), start.Add(time.Second))
		if err != nil || n != 1 || recorded.Kind != sessions.RevokedAll || recorded.ID != "" ||
			recorded.Sequence <= since {
			s.Errorf("EndAll: %d, %+v, %v", n, recorded, err)
		}
		s.equal("recorded", s.revocations(since, 0, 10), []sessions.Revocation{recorded})
		s.rotate(rotation("a", 1, 2*time.Second), sessions.Gone)
		if s.epoch() == epoch {
			s.Error("the epoch is the same as before")
		}
		err = s.store.CreateSession(s.Context(), session("c", "cyd", 0), since)
		if !errors.Is(err, sessions.ErrSubjectChanged) {
			s.Errorf("a session that began before: %v, want ErrSubjectChanged", err)
		}
	}},
	{"recordsTwiceWhatIsRevokedTwice", func(s *suite) {
		r := sessions.Revocation{Kind: sessions.RevokedToken, ID: "jti", ExpiresAt: start.Add(alive)}
		s.equal("revocations", []sessions.Revocation{s.revoke(r), s.revoke(r)}, s.revocations(0, 0, 10))
	}},
	{"recordsNoOtherKind", func(s *suite) {
		for _, kind := range []sessions.RevocationKind{"", sessions.RevokedSession, sessions.RevokedSubject, "Token"} {
			r := sessions.Revocation{Kind: kind, ID: "x", ExpiresAt: start.Add(alive)}
			if _, err := s.store.Revoke(s.Context(), r); err == nil || errors.Is(err, sessions.ErrUnavailable) {
				s.Errorf("Revoke of kind %q: %v, want an error, and not ErrUnavailable", kind, err)
			}
		}
		s.equal("revocations", s.revocations(0, 0, 10), []sessions.Revocation(nil))
	}},
	{"listIsInOrderAndHasPages", func(s *suite) {
		var all []sessions.Revocation
		for i := range 7 {
			all = append(all, s.revoke(sessions.Revocation{
				Kind: sessions.RevokedToken, ID: fmt.Sprint(i),
				ExpiresAt: start.Add(time.Duration(10-i) * time.Second),
			}))
		}
		s.equal("the first", s.revocations(0, 0, 3), all[:3])
		s.equal("those after the second", s.revocations(all[1].Sequence, 0, 3), all[2:5])
		s.equal("those after the last", s.revocations(all[6].Sequence, 0, 3), []sessions.Revocation(nil))
		s.equal("limit 0", s.revocations(0, 0, 0), []sessions.Revocation(nil))
		s.equal("limit -1", s.revocations(0, 0, -1), []sessions.Revocation(nil))
		s.equal("those that have not expired", s.revocations(0, 8*time.Second, 10), all[:3])
		s.equal("a microsecond later", s.revocations(0, 8*time.Second+time.Microsecond, 10), all[:2])
	}},
	{"listMissesNoneOfParallelWriters", listMissesNone},
	{"nothingBeginsBehindACut", nothingBeginsBehindACut},
}

// nothingBeginsBehindACut starts, steps up and rotates sessions while their subject is revoked
// again and again. Afterwards every live session must have seen the last revocation. A session that
// was checked before it and written after it would not have.
func nothingBeginsBehindACut(s *suite) {
	const cuts = 25
	var (
		group sync.WaitGroup
		over  = make(chan struct{})
		mu    sync.Mutex
		since = map[string]int64{} // session → the number that it started from; guarded by mu
	)
	for client := range 4 {
		group.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-over:
					return
				default:
				}
				id := fmt.Sprintf("%d.%d", client, i)
				seen, err := s.store.Sequence(s.Context())
				if err == nil {
					err = s.store.CreateSession(s.Context(), session(id, "ada", 0), seen)
				}
				if err != nil && !errors.Is(err, sessions.ErrSubjectChanged) {
					s.Errorf("CreateSession: %v", err)
					return
				}
				if err == nil {
					mu.Lock()
					since[id] = seen
					mu.Unlock()
				}
			}
		})
	}
	var last int64
	for range cuts {
		recorded, err := s.store.EndSessions(s.Context(), sessions.Ending{
			Subject: "ada", Record: sessions.RevokedSubject, Now: start, ExpiresAt: start.Add(alive),
		})
		if err != nil || len(recorded) == 0 {
			s.Fatalf("EndSessions: %v, %v", recorded, err)
		}
		last = recorded[0].Sequence
	}
	close(over)
	group.Wait()
	for id, seen := range since {
		if s.session(id).RevokedAt.IsZero() && seen < last {
			s.Errorf("session %s lives: it began with what was so at %d, and the last cut is %d", id, seen, last)
		}
	}
}

// ends checks that recorded holds the revocations of the sessions with these ids, in order, and
// that the store has no others.
func ends(s *suite, recorded []sessions.Revocation, ids ...string) {
	s.Helper()
	s.equal("revocations", recorded, s.revocations(0, 0, 100))
	named := map[string]bool{}
	for _, r := range recorded {
		named[r.ID] = true
		s.equal("revocation", r, sessions.Revocation{
			Sequence: r.Sequence, Kind: sessions.RevokedSession, ID: r.ID, ExpiresAt: at(alive),
		})
		if s.session(r.ID).RevokedAt.IsZero() {
			s.Errorf("session %s is not revoked", r.ID)
		}
	}
	want := map[string]bool{}
	for _, id := range ids {
		want[id] = true
	}
	s.equal("sessions named", named, want)
}

// listMissesNone reads the list, each time from the last number seen, while eight writers add to
// it.
func listMissesNone(s *suite) {
	const writers, each = 8, 25
	given := make(chan int64, writers*each)
	var group sync.WaitGroup
	for writer := range writers {
		group.Go(func() {
			for i := range each {
				r, err := s.store.Revoke(s.Context(), sessions.Revocation{
					Kind: sessions.RevokedToken, ID: fmt.Sprintf("%d.%d", writer, i), ExpiresAt: start.Add(alive),
				})
				if err != nil {
					s.Errorf("Revoke: %v", err)
				}
				given <- r.Sequence
			}
		})
	}
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	seen := map[int64]bool{}
	last := int64(0)
	follow := func() {
		for _, r := range s.revocations(last, 0, 10) {
			if r.Sequence <= last {
				s.Errorf("sequence number %d after %d", r.Sequence, last)
			}
			last = r.Sequence
			seen[last] = true
		}
	}
	for running := true; running; follow() {
		select {
		case <-done:
			running = false
		default:
		}
	}
	for before := int64(-1); before != last; follow() {
		before = last
	}
	close(given)
	for sequence := range given {
		if !seen[sequence] {
			s.Errorf("number %d was given and never seen", sequence)
		}
		delete(seen, sequence)
	}
	if len(seen) != 0 {
		s.Errorf("%d numbers were seen that were never given, or given twice", len(seen))
	}
}
