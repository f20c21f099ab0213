package keyring_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/keyring"
	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/jwk"
)

const (
	publish = 6 * time.Minute
	retire  = 24*time.Hour + 10*time.Minute
)

// station is a process that uses the keys of a folder, with a clock that the test sets.
type station struct {
	*keyring.Ring
	t     *testing.T
	clock *atomic.Int64 // since start
}

func (f folder) station(clock *atomic.Int64, change func(*keyring.Config)) station {
	f.t.Helper()
	c := keyring.Config{
		DB:         f.database(),
		SecretFile: f.secret,
		Now:        func() time.Time { return start.Add(time.Duration(clock.Load())) },
	}
	if change != nil {
		change(&c)
	}
	r, err := keyring.Open(f.t.Context(), c)
	if err != nil {
		f.t.Fatal(err)
	}
	return station{r, f.t, clock}
}

// tick does what a server does periodically.
func (s station) tick() {
	s.t.Helper()
	if err := errors.Join(s.Refresh(s.t.Context()), s.Advance(s.t.Context())); err != nil {
		s.t.Fatal(err)
	}
}

// states returns the number of keys in each state in the database.
func (s station) states() map[keyring.State]int {
	s.t.Helper()
	list, err := s.List(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	count := map[keyring.State]int{}
	for _, k := range list {
		count[k.State]++
	}
	return count
}

func (s station) has(id string) bool {
	s.t.Helper()
	_, err := s.Key(s.t.Context(), id)
	published, publishedErr := s.Published(s.t.Context())
	if publishedErr != nil {
		s.t.Fatal(publishedErr)
	}
	_, inSet := published.Key(s.t.Context(), id)
	if (err == nil) != (inSet == nil) {
		s.t.Errorf("key %s verifies: %v, is published: %v", id, err, inSet)
	}
	return err == nil
}

func TestRotate_fromNextToGone(t *testing.T) {
	f, clock := newFolder(t), &atomic.Int64{}
	s := f.station(clock, nil)
	first := activeKey(t, s.Ring).ID()
	next, err := s.Rotate(t.Context(), "")
	if err != nil || next.State != keyring.Next || next.Algorithm != jwk.ES256 {
		t.Fatalf("%+v, %v", next, err)
	}
	if again, err := s.Rotate(t.Context(), jwk.EdDSA); err != nil || again.ID != next.ID {
		t.Errorf("a second rotation while one is under way: %+v, %v", again, err)
	}
	for _, c := range []struct {
		after         time.Duration
		signs         string
		first, second bool
	}{
		{0, first, true, true},
		{publish - time.Second, first, true, true},
		{publish, next.ID, true, true},
		{publish + retire - time.Second, next.ID, true, true},
		{publish + retire, next.ID, false, true},
	} {
		clock.Store(int64(c.after))
		s.tick()
		if key := activeKey(t, s.Ring); key.ID() != c.signs || s.has(first) != c.first || s.has(next.ID) != c.second {
			t.Errorf("after %v: %s signs, the first verifies: %v, the second: %v", c.after,
				key.ID(), s.has(first), s.has(next.ID))
		}
	}
	if states := s.states(); states[keyring.Active] != 1 || states[keyring.Gone] != 1 || len(states) != 2 {
		t.Errorf("states %v", states)
	}
	var sealed int
	if err := f.database().QueryRow(t.Context(),
		"SELECT length(sealed) FROM signing_keys WHERE state = 'gone'").Scan(&sealed); err != nil ||
		sealed != 0 {
		t.Errorf("of the key that is gone %d bytes are left: %v", sealed, err)
	}
	// A program that starts now has the same keys.
	if key := activeKey(t, f.station(clock, nil).Ring); key.ID() != next.ID {
		t.Errorf("opened again %s signs", key.ID())
	}
}

func TestRotate_toAnotherAlgorithm(t *testing.T) {
	clock := &atomic.Int64{}
	s := newFolder(t).station(clock, nil)
	if _, err := s.Rotate(t.Context(), jwk.HS256); err == nil {
		t.Error("a secret beside public keys")
	}
	if _, err := s.Rotate(t.Context(), "none"); !errors.Is(err, jwk.ErrInvalidKey) {
		t.Errorf("none: %v", err)
	}
	if _, err := s.Rotate(t.Context(), jwk.EdDSA); err != nil {
		t.Fatal(err)
	}
	clock.Store(int64(publish))
	s.tick()
	if key := activeKey(t, s.Ring); key.Algorithm() != jwk.EdDSA {
		t.Errorf("%s signs", key.Algorithm())
	}
}

func TestAdvance_rotatesBySchedule(t *testing.T) {
	clock := &atomic.Int64{}
	s := newFolder(t).station(clock, func(c *keyring.Config) { c.Rotation = 30 * 24 * time.Hour })
	seen := map[string]bool{}
	for range 100 * 24 {
		clock.Add(int64(time.Hour))
		s.tick()
		key, err := s.SigningKey(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		seen[key.ID()] = true
	}
	if len(seen) != 4 {
		t.Errorf("%d keys signed in 100 days, want 4", len(seen))
	}
}

// Two processes on one database rotate at the same moment, a hundred times. Each time there is one
// new key. Each process has the keys that the other signs with, at the latest after its next
// refresh.
func TestRotate_byTwoProcessesAtOnce(t *testing.T) {
	f, clock := newFolder(t), &atomic.Int64{}
	stations := []station{f.station(clock, nil), f.station(clock, nil)}
	for round := range 100 {
		var all sync.WaitGroup
		ids := make([]string, len(stations))
		for i, s := range stations {
			all.Go(func() {
				next, err := s.Rotate(context.Background(), "")
				if err != nil {
					t.Error(err)
				}
				ids[i] = next.ID
			})
		}
		all.Wait()
		if ids[0] != ids[1] || ids[0] == "" {
			t.Fatalf("round %d: two next keys: %v", round, ids)
		}
		clock.Add(int64(publish))
		for _, s := range stations {
			all.Go(func() {
				if err := s.Advance(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for i, s := range stations {
			s.tick()
			if key := activeKey(t, s.Ring); key.ID() != ids[0] || !stations[1-i].has(key.ID()) {
				t.Fatalf("round %d: process %d signs with %s, not with %s", round, i, key.ID(), ids[0])
			}
		}
		if states := stations[0].states(); states[keyring.Active] != 1 || states[keyring.Next] != 0 {
			t.Fatalf("round %d: states %v", round, states)
		}
	}
}

func TestRevoke(t *testing.T) {
	f, clock := newFolder(t), &atomic.Int64{}
	s, other := f.station(clock, nil), f.station(clock, nil)
	first := activeKey(t, s.Ring).ID()
	dropped, err := s.Revoke(t.Context(), first)
	if err != nil || dropped.ID != first || dropped.State != keyring.Active {
		t.Fatalf("%+v, %v", dropped, err)
	}
	second := activeKey(t, s.Ring).ID()
	if second == first || s.has(first) || !s.has(second) {
		t.Errorf("signs with %s; the dropped key verifies: %v", second, s.has(first))
	}
	other.tick()
	if other.has(first) || activeKey(t, other.Ring).ID() != second {
		t.Error("another process still has it")
	}
	next, err := s.Rotate(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Revoke(t.Context(), next.ID); err != nil || s.has(next.ID) {
		t.Errorf("the next key: %v", err)
	}
	for _, id := range []string{first, "none", ""} {
		if _, err := s.Revoke(t.Context(), id); !errors.Is(err, keyring.ErrNoSuchKey) {
			t.Errorf("%q: %v", id, err)
		}
	}
	if states := s.states(); fmt.Sprint(states) != "map[active:1 gone:2]" {
		t.Errorf("states %v", states)
	}
}

// Every step of a rotation is written completely or not at all. If the database fails in the
// middle, the ring is unchanged.
func TestRotate_databaseGone(t *testing.T) {
	f, clock := newFolder(t), &atomic.Int64{}
	db := f.database()
	s := f.station(clock, func(c *keyring.Config) { c.DB = db })
	before := activeKey(t, s.Ring).ID()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Rotate(t.Context(), ""); !errors.Is(err, sqldb.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Revoke(t.Context(), before); !errors.Is(err, sqldb.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if activeKey(t, s.Ring).ID() != before {
		t.Error("another key signs")
	}
}
