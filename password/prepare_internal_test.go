package password

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"
)

// counted counts the hashes that checking a stored one takes.
type counted struct {
	stored
	hashes *int
}

func (c counted) matches(password string, m *memory) bool {
	*c.hashes++
	return c.stored.matches(password, m)
}

func TestCheck_costsTheSameWhateverIsStored(t *testing.T) {
	const text, sent = "caf\u00e9", "cafe\u0301"
	p := Params{MemoryKiB: 64, Passes: 1, Lanes: 1, AllowWeak: true}
	asSent := argon2Hash{kind: argon2idType, costs: p, salt: []byte(decoySalt)}
	asSent.tag = asSent.derive(sent, tagLength, new(memory))
	prepared := asSent
	prepared.tag = asSent.derive(text, tagLength, new(memory))
	for presented, want := range map[string]int{text: 1, sent: 2, "cafe": 1, "cafe\u0301\t": 1, "": 1, "\xff": 1} {
		for name, encoded := range map[string]string{
			"made from the bytes as sent":  asSent.String(),
			"made from the prepared":       prepared.String(),
			"of another password":          p.hash("another", new(memory)),
			"of a user who does not exist": p.decoy(),
		} {
			s, err := parse(encoded)
			if err != nil {
				t.Fatal(err)
			}
			hashes, jobs := 0, 0
			_, err = match(counted{s, &hashes}, presented, func(hash func(*memory)) error {
				jobs++
				hash(new(memory))
				return nil
			})
			if err != nil && !errors.Is(err, ErrMismatch) {
				t.Errorf("%+q, %s: %v", presented, name, err)
			}
			if hashes != want || jobs != want {
				t.Errorf("%+q, %s: %d hashes in %d jobs, want %d", presented, name, hashes, jobs, want)
			}
		}
	}
}

// A second hash for a password is a job of its own, and lets another client go first.
func TestGovernor_secondSpellingWaitsItsTurn(t *testing.T) {
	cheap := Params{MemoryKiB: 64, Passes: 1, AllowWeak: true}
	g := newGovernor(t, GovernorConfig{Workers: 1, MaxWait: time.Minute, Params: cheap})
	g.reserve = 0 // or the first hashes of a client would not wait
	release := occupy(t, g)
	var checked atomic.Bool
	ended := make(chan struct{}, 2)
	go func() {
		_ = g.CheckDummy(WithClient(t.Context(), "two spellings", false), "cafe\u0301")
		checked.Store(true)
		ended <- struct{}{}
	}()
	eventually(t, "the check is queued", func() bool { return g.Stats().Queued == 1 })
	go func() {
		_ = g.do(WithClient(t.Context(), "another", false), func(*memory) {
			time.Sleep(50 * time.Millisecond) // so that a check that has ended says so
			if checked.Load() {
				t.Error("both hashes ran before the job of another client")
			}
		})
		ended <- struct{}{}
	}()
	eventually(t, "the job is queued", func() bool { return g.Stats().Queued == 2 })
	release()
	<-ended
	<-ended
}

// FuzzPrepare holds what every check relies on: there is no third spelling.
func FuzzPrepare(f *testing.F) {
	for _, text := range []string{
		"", "caf\u00e9", "cafe\u0301", "a\u00a0b\u3000c", "\u1112\u1161\u11ab", "\u0958", "\u0344\u0323",
		"\u2764\ufe0f",
		"\xff", "a\u0327\u0301\u0323", "\U0001d15e",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		prepared, allowed := prepare(text)
		if !allowed && prepared != text {
			t.Errorf("%+q is not allowed and became %+q", text, prepared)
		}
		if again, ok := prepare(prepared); again != prepared || ok != allowed {
			t.Errorf("%+q became %+q, and then %+q", text, prepared, again)
		}
		if allowed && !utf8.ValidString(text) {
			t.Errorf("%+q is allowed", text)
		}
	})
}
