package keyring_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/hallpass-go/hallpass/internal/keyring"
	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/internal/testservers"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

// childFolder is an environment variable. In a process that a test started, it names the folder
// whose keys to use.
const childFolder = "KEYRING_TEST_FOLDER"

// childDatabase is the URL of their database.
const childDatabase = "KEYRING_TEST_DATABASE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childFolder); dir != "" {
		if err := child(dir, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(testservers.Run(m))
}

// child opens the keys of a folder and executes commands, one word per line. "rotate" and "advance"
// take a step and print the ID of the next or active key. "spin" takes steps forever. A next key
// may sign after a millisecond.
func child(dir string, in io.Reader, out io.Writer) error {
	ctx := context.Background()
	db, err := sqldb.Open(ctx, os.Getenv(childDatabase))
	if err != nil {
		return err
	}
	ring, err := keyring.Open(
		ctx,
		keyring.Config{
			DB:         db,
			SecretFile: filepath.Join(dir, "secret"),
			Publish:    time.Millisecond,
			Retire:     5 * time.Millisecond,
		},
	)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "ready")
	for lines := bufio.NewScanner(in); lines.Scan(); {
		switch lines.Text() {
		case "rotate":
			next, err := ring.Rotate(ctx, "")
			if err != nil {
				return err
			}
			fmt.Fprintln(out, next.ID)
		case "advance":
			time.Sleep(2 * time.Millisecond)
			if err := errors.Join(ring.Refresh(ctx), ring.Advance(ctx), ring.Refresh(ctx)); err != nil {
				return err
			}
			key, err := ring.SigningKey(ctx)
			if err != nil {
				return err
			}
			fmt.Fprintln(out, key.ID())
		case "spin":
			for {
				_, err := ring.Rotate(ctx, "")
				if err := errors.Join(err, ring.Advance(ctx)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// process is a running child.
type process struct {
	*exec.Cmd
	t       *testing.T
	in      io.Writer
	answers *bufio.Scanner
}

func (f folder) process() *process {
	f.t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0]), t: f.t}
	p.Env = append(os.Environ(), childFolder+"="+f.dir,
		childDatabase+"="+testservers.Database(f.t, filepath.Join(f.dir, "test.db")))
	p.Stderr = os.Stderr
	in, inErr := p.StdinPipe()
	out, outErr := p.StdoutPipe()
	if err := errors.Join(inErr, outErr, p.Start()); err != nil {
		f.t.Fatal(err)
	}
	p.in, p.answers = in, bufio.NewScanner(out)
	f.t.Cleanup(func() { _ = p.Process.Kill(); _ = p.Wait() })
	if p.answer() != "ready" {
		f.t.Fatal("the process is not ready")
	}
	return p
}

func (p *process) tell(word string) { fmt.Fprintln(p.in, word) }

func (p *process) answer() string {
	if !p.answers.Scan() {
		p.t.Fatal("the process has ended")
	}
	return p.answers.Text()
}

// Two processes rotate at the same moment, a hundred times. Each time there is one next key, and
// then both sign with it.
func TestRotate_byTwoRealProcessesAtOnce(t *testing.T) {
	f := newFolder(t)
	processes := []*process{f.process(), f.process()}
	together := func(word string) [2]string {
		for _, p := range processes {
			p.tell(word)
		}
		return [2]string{processes[0].answer(), processes[1].answer()}
	}
	seen := map[string]bool{}
	for round := range 100 {
		next := together("rotate")
		active := together("advance")
		if next[0] != next[1] || active[0] != next[0] || active[1] != next[0] || seen[next[0]] {
			t.Fatalf("round %d: next %v, active %v", round, next, active)
		}
		seen[next[0]] = true
	}
}

// A process that only rotates is killed at random moments, again and again. Each time one key
// signs, and is published.
func TestRotate_killedAtAnyMoment(t *testing.T) {
	f := newFolder(t)
	keys := 0
	for range 40 {
		p := f.process()
		p.tell("spin")
		time.Sleep(time.Duration(rand.IntN(30_000)) * time.Microsecond)
		_ = p.Process.Kill()
		_ = p.Wait()
		ring := f.open()
		list, err := ring.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		active := 0
		for _, key := range list {
			if key.State == keyring.Active {
				active++
			}
		}
		published, err := ring.Published(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		signing := activeKey(t, ring)
		if _, err := published.Key(t.Context(), signing.ID()); active != 1 || err != nil {
			t.Fatalf("%d active keys; the one that signs is published: %v", active, err)
		}
		keys = len(list)
	}
	if keys < 10 {
		t.Errorf("only %d keys were made: the kills were not in rotations", keys)
	}
}

var rotations = flag.Int(
	"rotations",
	1,
	"rotations under load: go test ./internal/keyring -run underLoad -v -args -rotations 10",
)

// While the key changes under 500 requests a second, no token is refused by a verifier that caches
// the published keys as long as it may. Everything is as in a server, except that the clock runs 50
// times as fast. So the five minutes for which a verifier may cache keys pass in six seconds.
func TestRotate_underLoad(t *testing.T) {
	t.Parallel()
	f, begin := newFolder(t), time.Now()
	now := func() time.Time { return begin.Add(50 * time.Since(begin)) }
	ring, err := keyring.Open(t.Context(),
		keyring.Config{DB: f.database(), SecretFile: f.secret, Rotation: time.Minute, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		set, err := ring.Published(r.Context())
		if err != nil {
			t.Error(err)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=300")
		_ = json.NewEncoder(w).Encode(set)
	}))
	defer server.Close()
	remote, err := jwk.NewRemote(server.URL, jwk.RemoteConfig{AllowPrivate: true, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := jwt.NewVerifier(jwt.Config{Issuer: "i", Audience: "a", Keys: remote})
	if err != nil {
		t.Fatal(err)
	}

	ctx, stop := context.WithCancel(t.Context())
	var verified, refused atomic.Int64
	var group sync.WaitGroup
	for range 5 {
		group.Go(func() {
			for tick := time.Tick(10 * time.Millisecond); ctx.Err() == nil; <-tick {
				key, err := ring.SigningKey(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				at := now()
				token, err := jwt.Sign(key, jwt.TypeAccess, jwt.Claims{
					Issuer: "i", Audience: []string{"a"}, Subject: "s", ID: "j", IssuedAt: at,
					ExpiresAt: at.Add(15 * time.Minute),
				}, nil)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := verifier.Verify(context.Background(), token, at, nil); err != nil {
					refused.Add(1)
					t.Errorf("a token of key %s: %v", key.ID(), err)
				}
				verified.Add(1)
			}
		})
	}
	signed := map[string]bool{}
	for len(signed) <= *rotations {
		if err := errors.Join(ring.Refresh(t.Context()), ring.Advance(t.Context())); err != nil {
			t.Fatal(err)
		}
		signed[activeKey(t, ring).ID()] = true
		time.Sleep(10 * time.Millisecond) // half a second on this clock, as in a server
		if time.Since(begin) > time.Duration(*rotations+2)*20*time.Second {
			t.Fatalf("only %d keys have signed", len(signed))
		}
	}
	stop()
	group.Wait()
	took := time.Since(begin)
	t.Logf("%d rotations in %v, %d tokens (%.0f a second), %d refused", *rotations, took,
		verified.Load(), float64(verified.Load())/took.Seconds(), refused.Load())
}

// Refresh reports changes made by any process, and who made them if it was this one.
func TestRefresh_tellsWhatHasChanged(t *testing.T) {
	f, clock := newFolder(t), &atomic.Int64{}
	type callerKey struct{}
	var told []string
	watching := f.station(clock, func(c *keyring.Config) {
		c.Changed = func(ctx context.Context, key keyring.KeyInfo) {
			caller, _ := ctx.Value(callerKey{}).(string)
			told = append(told, string(key.State)+caller)
		}
	})
	as := func(caller string) context.Context { return context.WithValue(t.Context(), callerKey{}, caller) }
	working := f.station(clock, nil)
	expect := func(what string, want ...string) {
		t.Helper()
		if err := watching.Refresh(as(" by who looks")); err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		for _, state := range told {
			seen[state]++
		}
		for _, state := range want {
			seen[state]--
		}
		for state, n := range seen {
			if n != 0 {
				t.Errorf("%s: told %v, want %v (%s)", what, told, want, state)
			}
		}
		told = nil
	}
	told = nil // ignore the first key
	next, err := working.Rotate(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	expect("rotate", "next")
	expect("nothing")
	clock.Add(int64(publish))
	working.tick()
	expect("the next key signs", "active", "retired")
	clock.Add(int64(retire))
	working.tick()
	expect("the old key goes", "gone")
	if _, err := working.Revoke(t.Context(), next.ID); err != nil {
		t.Fatal(err)
	}
	expect("revoke", "gone", "active")
	if _, err := watching.Rotate(as(" by us"), ""); err != nil {
		t.Fatal(err)
	}
	expect("rotate by ourselves", "next by us")
}
