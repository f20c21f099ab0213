package hallpass_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/hallpasstest"
)

// party is one who holds a refresh token: the owner, or a thief who copied it.
type party struct{ token string }

// world is a session, its owner and a thief, and what docs/sessions.md says of them.
type world struct {
	t            *testing.T
	auth         *hallpass.Auth[struct{}]
	clock        *clock
	owner, thief party
	generationOf map[string]int // of every refresh token that was given
	generation   int            // the current one
	rotatedAt    time.Time
	dead         bool
	done         string // the moves so far
}

const stateGrace = 30 * time.Second

func newWorld(t *testing.T) *world {
	w := &world{t: t, clock: newClock(), generation: 1, generationOf: map[string]int{}}
	w.rotatedAt = w.clock.Now()
	w.auth = hallpasstest.New[struct{}](t).Auth(hallpass.Config[struct{}]{Now: w.clock.Now, RefreshGrace: stateGrace})
	tokens, err := w.auth.StartSession(t.Context(), "alice", hallpass.Client{})
	if err != nil {
		t.Fatal(err)
	}
	w.owner.token, w.thief.token = tokens.RefreshToken, tokens.RefreshToken
	w.generationOf[tokens.RefreshToken] = 1
	return w
}

// move makes one move: O, the owner refreshes; L, the owner refreshes and the answer is lost; T,
// the thief refreshes; W, the grace passes.
func (w *world) move(m rune) {
	w.done += string(m)
	switch m {
	case 'O':
		w.present(&w.owner, false)
	case 'L':
		w.present(&w.owner, true)
	case 'T':
		w.present(&w.thief, false)
	case 'W':
		w.clock.Advance(stateGrace + time.Second)
	}
}

// present uses a party's token and compares the outcome with the table of docs/sessions.md.
func (w *world) present(p *party, lost bool) {
	presented := w.generationOf[p.token]
	tokens, err := w.auth.Refresh(w.t.Context(), p.token, hallpass.Client{})
	switch {
	case w.dead:
		w.want(err, hallpass.ErrRefreshTokenInvalid)
	case presented == w.generation:
		w.want(err, nil)
		w.generation++
		w.rotatedAt = w.clock.Now()
		w.generationOf[tokens.RefreshToken] = w.generation
	case presented == w.generation-1 && w.clock.Now().Sub(w.rotatedAt) <= stateGrace:
		w.want(err, nil)
		if w.generationOf[tokens.RefreshToken] != w.generation {
			w.t.Fatalf("%s: the replay did not bring the successor", w.done)
		}
	default:
		w.want(err, hallpass.ErrRefreshTokenReused)
		w.dead = true
	}
	if err == nil && !lost {
		p.token = tokens.RefreshToken
	}
}

func (w *world) want(got, want error) {
	w.t.Helper()
	if want == nil && got != nil || want != nil && !errors.Is(got, want) {
		w.t.Fatalf("%s: got %v, the table says %v", w.done, got, want)
	}
}

// Every order of moves of an owner and a thief, up to six of them.
func TestRefresh_everyOrderOfOwnerAndThief(t *testing.T) {
	const moves = "OLTW"
	sequences := []string{""}
	count := 0
	for range 6 {
		var longer []string
		for _, s := range sequences {
			for _, m := range moves {
				longer = append(longer, s+string(m))
			}
		}
		sequences = longer
	}
	for _, s := range sequences { // those that are shorter are their beginnings
		w := newWorld(t)
		for _, m := range s {
			w.move(m)
		}
		count++
		if w.dead && !strings.ContainsRune(s, 'T') && !strings.Contains(s, "L") {
			t.Errorf("%s: an owner whose answers came, with no thief, was logged out", s)
		}
		w.checkTheft(s)
	}
	t.Logf("%d orders", count)
}

// checkTheft sees that when a thief and the owner have each gone their own way, and the grace has
// passed, the next move of either ends the session.
func (w *world) checkTheft(s string) {
	if w.dead || w.generationOf[w.owner.token] == w.generationOf[w.thief.token] {
		return
	}
	w.move('W')
	behind := &w.owner
	if w.generationOf[w.thief.token] < w.generationOf[w.owner.token] {
		behind = &w.thief
	}
	if w.generationOf[behind.token] == w.generation {
		return
	}
	w.present(behind, false)
	if !w.dead {
		w.t.Errorf("%s: two go on with one session", s)
	}
}
