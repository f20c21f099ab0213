// Package storetest is a test suite that every [sessions.Store] must pass.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) sessions.Store { return open(t) })
//	}
package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/sessions"
)

// Run checks every sentence of the contracts of [sessions.SessionStore] and
// [sessions.RevocationStore]. It calls open once per subtest for an empty store. Open registers its
// cleanup with its t.
func Run(t *testing.T, open func(t *testing.T) sessions.Store) {
	for _, group := range []struct {
		name  string
		tests []subtest
	}{
		{"Session", sessionTests},
		{"Rotate", rotateTests},
		{"Revocation", revocationTests},
		{"Sweep", sweepTests},
		{"Context", contextTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, test := range group.tests {
				t.Run(test.name, func(t *testing.T) {
					test.run(&suite{T: t, store: open(t)})
				})
			}
		})
	}
}

type subtest struct {
	name string
	run  func(s *suite)
}

// suite is one subtest and its store. Its methods make calls that must succeed, and fail the
// subtest if they do not.
type suite struct {
	*testing.T
	store sessions.Store
}

// start is when the sessions of the suite start. It has a time zone and nanoseconds, to check that
// a store converts to UTC and rounds down.
var start = time.Date(2026, 3, 14, 15, 9, 26, 535_897_932, time.FixedZone("", -5*3600))

// at returns the time d after start as a store keeps it.
func at(d time.Duration) time.Time { return start.Add(d).UTC().Truncate(time.Microsecond) }

const (
	idle     = time.Hour      // of a session, from start
	absolute = 24 * time.Hour // of a session, from start
	grace    = 30 * time.Second
	alive    = 15 * time.Minute // of an access token
)

// latest is a Since that no change can come after.
const latest = math.MaxInt64

// session returns a session of subject that started d after start.
func session(id, subject string, d time.Duration) sessions.Session {
	return sessions.Session{
		ID:         id,
		Subject:    subject,
		Generation: 1,
		RotatedAt:  start.Add(d),
		CreatedAt:  start.Add(d),
		LastUsedAt: start.Add(d),
		IdleExpiry: start.Add(d + idle),
		Expiry:     start.Add(d + absolute),
		AuthTime:   start.Add(d),
		Client:     sessions.Client{IP: "2001:db8::1", UserAgent: "storetest/1 (ü)"},
	}
}

// kept returns s as a store keeps it.
func kept(s sessions.Session) sessions.Session {
	for _, t := range []*time.Time{
		&s.RotatedAt, &s.CreatedAt, &s.LastUsedAt, &s.IdleExpiry, &s.Expiry, &s.AuthTime, &s.RevokedAt,
		&s.AccessExpiry,
	} {
		*t = t.UTC().Truncate(time.Microsecond)
	}
	return s
}

// rotation presents generation of the session d after start.
func rotation(id string, generation uint32, d time.Duration) sessions.Rotation {
	return sessions.Rotation{
		SessionID:    id,
		Generation:   generation,
		Now:          start.Add(d),
		Grace:        grace,
		Since:        latest,
		IdleExpiry:   start.Add(d + idle),
		AccessExpiry: start.Add(d + alive),
	}
}

func (s *suite) create(sessions ...sessions.Session) {
	s.Helper()
	for _, session := range sessions {
		if err := s.store.CreateSession(s.Context(), session, latest); err != nil {
			s.Fatalf("CreateSession: %v", err)
		}
	}
}

// stepUp returns a step-up of a session d after start.
func stepUp(id string, d time.Duration) sessions.StepUp {
	return sessions.StepUp{
		SessionID: id, Now: start.Add(d), Proved: true, Since: latest,
		IdleExpiry: start.Add(d + idle), AccessExpiry: start.Add(d + alive),
	}
}

func (s *suite) stepUp(id string, d time.Duration) sessions.Session {
	s.Helper()
	got, err := s.store.StepUp(s.Context(), stepUp(id, d))
	if err != nil {
		s.Fatalf("StepUp: %v", err)
	}
	s.equal("the session that StepUp returned", got, s.session(id))
	return got
}

func (s *suite) epoch() string {
	s.Helper()
	epoch, err := s.store.Epoch(s.Context())
	if err != nil || epoch == "" {
		s.Fatalf("Epoch: %q, %v", epoch, err)
	}
	return epoch
}

func (s *suite) sequence() int64 {
	s.Helper()
	n, err := s.store.Sequence(s.Context())
	if err != nil {
		s.Fatalf("Sequence: %v", err)
	}
	return n
}

func (s *suite) session(id string) sessions.Session {
	s.Helper()
	got, err := s.store.Session(s.Context(), id)
	if err != nil {
		s.Fatalf("Session(%q): %v", id, err)
	}
	return got
}

// rotate presents r, checks the outcome and that the returned session is the stored one, and
// returns it.
func (s *suite) rotate(r sessions.Rotation, want sessions.Outcome) sessions.Session {
	s.Helper()
	got, outcome, err := s.store.Rotate(s.Context(), r)
	if err != nil {
		s.Fatalf("Rotate: %v", err)
	}
	if outcome != want {
		s.Fatalf("Rotate of generation %d at %v: outcome %d, want %d", r.Generation, r.Now.Sub(start), outcome, want)
	}
	s.equal("the session that Rotate returned", got, s.session(r.SessionID))
	return got
}

func (s *suite) sessions(subject string, d time.Duration, after string, limit int) []string {
	s.Helper()
	page, err := s.store.Sessions(s.Context(), subject, start.Add(d), after, limit)
	if err != nil {
		s.Fatalf("Sessions: %v", err)
	}
	ids := []string{}
	for _, session := range page {
		s.equal("a session that Sessions returned", session, s.session(session.ID))
		ids = append(ids, session.ID)
	}
	return ids
}

func (s *suite) end(e sessions.Ending) []sessions.Revocation {
	s.Helper()
	recorded, err := s.store.EndSessions(s.Context(), e)
	if err != nil {
		s.Fatalf("EndSessions: %v", err)
	}
	return recorded
}

func (s *suite) revoke(r sessions.Revocation) sessions.Revocation {
	s.Helper()
	recorded, err := s.store.Revoke(s.Context(), r)
	if err != nil {
		s.Fatalf("Revoke: %v", err)
	}
	return recorded
}

func (s *suite) revocations(since int64, d time.Duration, limit int) []sessions.Revocation {
	s.Helper()
	page, err := s.store.Revocations(s.Context(), since, start.Add(d), limit)
	if err != nil {
		s.Fatalf("Revocations: %v", err)
	}
	return page
}

func (s *suite) sweep(d time.Duration, limit int) int {
	s.Helper()
	n, err := s.store.Sweep(s.Context(), start.Add(d), limit)
	if err != nil {
		s.Fatalf("Sweep: %v", err)
	}
	return n
}

func (s *suite) gone(id string) {
	s.Helper()
	if _, err := s.store.Session(s.Context(), id); !errors.Is(err, sessions.ErrNotFound) {
		s.Errorf("Session(%q): %v, want ErrNotFound", id, err)
	}
}

// equal compares what the store returned with what it should have.
func (s *suite) equal(what string, got, want any) {
	s.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		s.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

// ended returns a context that has been cancelled.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
