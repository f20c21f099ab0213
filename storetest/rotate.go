package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/hallpass-go/hallpass/sessions"
)

// staleRead presents a session that was read before it changed: the stored session must decide.
func staleRead(s *suite) {
	s.create(session("a", "ada", 0), session("b", "ada", 0))
	first := s.session("a")
	read := func(generation uint32, d time.Duration, session sessions.Session) sessions.Rotation {
		r := rotation("a", generation, d)
		r.Read = session
		return r
	}
	s.rotate(read(1, time.Minute, s.session("b")), sessions.Rotated)            // another session
	s.rotate(read(1, time.Minute, first), sessions.Replayed)                    // rotated since
	s.rotate(read(2, time.Minute, sessions.Session{ID: "a"}), sessions.Rotated) // never so
	reauthenticated := s.session("a")
	s.stepUp("a", 2*time.Minute)
	s.rotate(read(3, 2*time.Minute, reauthenticated), sessions.Gone) // the step-up's generation is 4
	s.equal("AuthTime",
		s.rotate(read(4, 3*time.Minute, reauthenticated), sessions.Rotated).AuthTime,
		at(2*time.Minute))
	living := s.session("a")
	s.end(sessions.Ending{SessionID: "a", Now: at(4 * time.Minute), ExpiresAt: at(time.Hour)})
	s.rotate(read(5, 5*time.Minute, living), sessions.Gone)
}

var rotateTests = []subtest{
	{"current", func(s *suite) {
		s.create(session("a", "ada", 0), session("b", "ada", 0))
		got := s.rotate(rotation("a", 1, time.Minute), sessions.Rotated)
		want := kept(session("a", "ada", 0))
		want.Generation = 2
		want.RotatedAt, want.LastUsedAt, want.IdleExpiry = at(time.Minute), at(time.Minute), at(time.Minute+idle)
		want.AccessExpiry = at(time.Minute + alive)
		s.equal("session", got, want)
		s.rotate(rotation("a", 2, 2*time.Minute), sessions.Rotated)
		s.rotate(rotation("a", 3, 2*time.Minute), sessions.Rotated)
		s.equal("the other session", s.session("b"), kept(session("b", "ada", 0)))
		s.equal("revocations", s.revocations(0, 0, 10), []sessions.Revocation(nil))
	}},
	{"asTheCallerHasReadIt", func(s *suite) {
		s.create(session("a", "ada", 0))
		r := rotation("a", 1, time.Minute)
		r.Read = s.session("a")
		s.equal("Generation", s.rotate(r, sessions.Rotated).Generation, uint32(2))
	}},
	{"notAsTheCallerHasReadIt", staleRead},
	{"overtaken", func(s *suite) {
		s.create(session("a", "ada", 0), session("b", "bob", 0))
		since := s.sequence()
		change := sessions.Ending{
			Subject:    "ada",
			Record:     sessions.RevokedSubject,
			OnlyRecord: true,
			Now:        start,
			ExpiresAt:  at(idle),
		}
		s.end(change)
		for _, r := range []sessions.Rotation{rotation("a", 1, time.Minute), rotation("a", 1, time.Minute)} {
			if r.Since = since; s.session("a").Generation == 1 {
				r.Read = s.session("a")
			}
			s.equal("session", s.rotate(r, sessions.Overtaken), s.session("a"))
		}
		other := rotation("b", 1, time.Minute)
		other.Since = since
		s.rotate(other, sessions.Rotated)
		again := rotation("a", 1, time.Minute)
		again.Since = s.sequence()
		s.rotate(again, sessions.Rotated)
		s.end(change)
		s.rotate(again, sessions.Overtaken) // replays are overtaken too
		reuse := rotation("a", 1, time.Minute+grace+time.Second)
		reuse.Since = since
		s.rotate(reuse, sessions.Reused) // reuse is still detected
	}},
	{"afterAStepUp", afterAStepUp},
	{"idleExpiryIsCapped", func(s *suite) {
		s.create(session("a", "ada", 0))
		r := rotation("a", 1, time.Minute)
		r.IdleExpiry = start.Add(absolute + time.Microsecond)
		s.equal("IdleExpiry", s.rotate(r, sessions.Rotated).IdleExpiry, at(absolute))
	}},
	{"predecessorWithinTheGrace", func(s *suite) {
		s.create(session("a", "ada", 0))
		want := s.rotate(rotation("a", 1, time.Minute), sessions.Rotated)
		for _, d := range []time.Duration{0, time.Second, grace} {
			got := s.rotate(rotation("a", 1, time.Minute+d), sessions.Replayed)
			want.LastUsedAt, want.AccessExpiry = at(time.Minute+d), at(time.Minute+d+alive)
			s.equal("session", got, want)
		}
		s.equal("revocations", s.revocations(0, 0, 10), []sessions.Revocation(nil))
		s.rotate(rotation("a", 2, time.Minute+grace), sessions.Rotated)
	}},
	{"predecessorAfterTheGrace", func(s *suite) {
		s.create(session("a", "ada", 0))
		s.rotate(rotation("a", 1, time.Minute), sessions.Rotated)
		reused(s, rotation("a", 1, time.Minute+grace+time.Microsecond))
	}},
	{"predecessorWithTheClockSetBack", func(s *suite) {
		s.create(session("a", "ada", 0))
		s.rotate(rotation("a", 1, 10*time.Minute), sessions.Rotated)
		s.rotate(rotation("a", 1, 10*time.Minute-grace), sessions.Replayed)
		reused(s, rotation("a", 1, 10*time.Minute-grace-time.Microsecond))
	}},
	{"predecessorWithoutAGrace", func(s *suite) {
		s.create(session("a", "ada", 0))
		s.rotate(rotation("a", 1, time.Minute), sessions.Rotated)
		r := rotation("a", 1, time.Minute+time.Microsecond)
		r.Grace = 0
		reused(s, r)
	}},
	{"olderGeneration", func(s *suite) {
		s.create(session("a", "ada", 0))
		s.rotate(rotation("a", 1, time.Second), sessions.Rotated)
		s.rotate(rotation("a", 2, time.Second), sessions.Rotated)
		reused(s, rotation("a", 1, time.Second))
	}},
	{"generationThatNeverWas", func(s *suite) {
		s.create(session("a", "ada", 0))
		want := s.rotate(rotation("a", 1, time.Second), sessions.Rotated)
		for _, generation := range []uint32{0, 3, 4, 1<<32 - 1} {
			s.equal("session", s.rotate(rotation("a", generation, 2*time.Second), sessions.Gone), want)
		}
		s.rotate(rotation("a", 2, 2*time.Second), sessions.Rotated)
	}},
	{"unknown", func(s *suite) {
		s.create(session("a", "ada", 0))
		got, outcome, err := s.store.Rotate(s.Context(), rotation("A", 1, time.Second))
		if err != nil || outcome != sessions.Gone || got != (sessions.Session{}) {
			s.Errorf("got %+v, %d, %v; want an empty session, Gone", got, outcome, err)
		}
	}},
	{"endedByTheIdleExpiry", func(s *suite) {
		endedBy(s, session("a", "ada", 0), idle)
	}},
	{"endedByTheExpiry", func(s *suite) {
		short := session("a", "ada", 0)
		short.Expiry = start.Add(time.Minute)
		endedBy(s, short, time.Minute)
	}},
	{"endedByARevocation", func(s *suite) {
		s.create(session("a", "ada", 0))
		s.rotate(rotation("a", 1, time.Second), sessions.Rotated)
		s.end(sessions.Ending{SessionID: "a", Now: start.Add(time.Minute), ExpiresAt: start.Add(alive)})
		stays(s, "a", time.Minute)
	}},
	{"endedByAReuse", func(s *suite) {
		s.create(session("a", "ada", 0))
		s.rotate(rotation("a", 1, time.Second), sessions.Rotated)
		reused(s, rotation("a", 1, 2*time.Minute))
		stays(s, "a", 3*time.Minute)
	}},
	{"twentyAtOnce", func(s *suite) { atOnce(s, 20) }},
	{"fiftyAtOnce", func(s *suite) { atOnce(s, 50) }},
	{"rotationAndEndAtOnce", rotationAndEndAtOnce},
}

// afterAStepUp checks that the generation before a step-up is refused, and ends nothing within the
// grace period.
func afterAStepUp(s *suite) {
	s.create(session("a", "ada", 0), session("b", "ada", 0))
	s.rotate(rotation("a", 1, time.Second), sessions.Rotated)
	want := s.stepUp("a", time.Minute)
	s.equal("session", s.rotate(rotation("a", 2, time.Minute+time.Second), sessions.Gone), want)
	s.rotate(rotation("a", 3, time.Minute+2*time.Second), sessions.Rotated)
	s.rotate(rotation("a", 3, time.Minute+3*time.Second), sessions.Replayed)
	s.stepUp("b", time.Minute)
	reused(s, rotation("b", 1, time.Minute+grace+time.Microsecond))
}

// reused presents r, and checks that this revokes the session and records one revocation.
func reused(s *suite, r sessions.Rotation) {
	s.Helper()
	want := s.session(r.SessionID)
	want.RevokedAt = r.Now.UTC().Truncate(time.Microsecond)
	s.equal("session", s.rotate(r, sessions.Reused), want)
	recorded := s.revocations(0, 0, 10)
	if len(recorded) != 1 {
		s.Fatalf("%d revocations, want 1", len(recorded))
	}
	s.equal("revocation", recorded[0], sessions.Revocation{
		Sequence:  recorded[0].Sequence,
		Kind:      sessions.RevokedSession,
		ID:        r.SessionID,
		ExpiresAt: later(want.AccessExpiry, r.AccessExpiry.UTC().Truncate(time.Microsecond)),
	})
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// endedBy checks that the session can be rotated until just before end, and that it does not change
// any more from then on.
func endedBy(s *suite, session sessions.Session, end time.Duration) {
	s.Helper()
	other := session
	other.ID = "other"
	s.create(session, other)
	s.rotate(rotation("other", 1, end-time.Microsecond), sessions.Rotated)
	stays(s, session.ID, end)
}

// stays checks that, d after start, every generation of the session is gone.
func stays(s *suite, id string, d time.Duration) {
	s.Helper()
	want, recorded := s.session(id), len(s.revocations(0, 0, 10))
	for generation := range uint32(4) {
		s.equal("session", s.rotate(rotation(id, generation, d), sessions.Gone), want)
	}
	s.equal("number of revocations", len(s.revocations(0, 0, 10)), recorded)
}

// atOnce presents each of three generations n times concurrently: one call must be Rotated and the
// others Replayed, and all must return the same generation.
func atOnce(s *suite, n int) {
	s.create(session("a", "ada", 0))
	for generation := uint32(1); generation <= 3; generation++ {
		after, outcomes := presentAtOnce(s, n, rotation("a", generation, time.Second))
		counts := map[sessions.Outcome]int{}
		for i, outcome := range outcomes {
			counts[outcome]++
			if got := after[i].Generation; got != generation+1 {
				s.Errorf("a call returned generation %d, want %d", got, generation+1)
			}
		}
		s.equal("outcomes", counts, map[sessions.Outcome]int{sessions.Rotated: 1, sessions.Replayed: n - 1})
	}
	if got := s.session("a"); got.Generation != 4 || !got.RevokedAt.IsZero() {
		s.Errorf("generation %d, revoked at %v; want 4, never", got.Generation, got.RevokedAt)
	}

	after, outcomes := presentAtOnce(s, n, rotation("a", 1, time.Second))
	counts := map[sessions.Outcome]int{}
	for i, outcome := range outcomes {
		counts[outcome]++
		if after[i].RevokedAt.IsZero() {
			s.Error("a call returned a session that is not revoked")
		}
	}
	s.equal("outcomes of a reuse", counts, map[sessions.Outcome]int{sessions.Reused: 1, sessions.Gone: n - 1})
	s.equal("number of revocations", len(s.revocations(0, 0, 10)), 1)
}

func presentAtOnce(s *suite, n int, r sessions.Rotation) ([]sessions.Session, []sessions.Outcome) {
	after, outcomes := make([]sessions.Session, n), make([]sessions.Outcome, n)
	begin := make(chan struct{})
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			<-begin
			var err error
			if after[i], outcomes[i], err = s.store.Rotate(s.Context(), r); err != nil {
				s.Errorf("Rotate: %v", err)
			}
		})
	}
	close(begin)
	group.Wait()
	return after, outcomes
}

// rotationAndEndAtOnce ends sessions while they are rotated. No session may survive, and each end
// must be recorded once.
func rotationAndEndAtOnce(s *suite) {
	const n = 8
	for i := range n {
		s.create(session(fmt.Sprintf("s%d", i), "ada", 0))
	}
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			id := fmt.Sprintf("s%d", i)
			for generation := uint32(1); ; generation++ {
				_, outcome, err := s.store.Rotate(s.Context(), rotation(id, generation, time.Second))
				if err != nil {
					s.Errorf("Rotate: %v", err)
				}
				if outcome != sessions.Rotated {
					return
				}
			}
		})
	}
	for range 2 {
		group.Go(func() {
			e := sessions.Ending{Subject: "ada", Now: start.Add(time.Second), ExpiresAt: start.Add(alive)}
			if _, err := s.store.EndSessions(s.Context(), e); err != nil {
				s.Errorf("EndSessions: %v", err)
			}
		})
	}
	group.Wait()
	s.equal("sessions that live", s.sessions("ada", time.Second, "", 100), []string{})
	s.equal("number of revocations", len(s.revocations(0, 0, 100)), n)
}
