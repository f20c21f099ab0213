package password_test

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/password"
)

// cheap are costs for tests, about 0.1 ms a hash.
var cheap = password.Params{MemoryKiB: 64, Passes: 1, AllowWeak: true}

const (
	salt16 = "c2FsdHNhbHRzYWx0c2FsdA"
	tag32  = "dGFndGFndGFndGFndGFndGFndGFndGFndGFndGFndGE"
)

func mustHash(t testing.TB, p password.Params, text string) string {
	t.Helper()
	encoded, err := p.Hash(text)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func TestHash_isAPHCStringAtTheDefaultCosts(t *testing.T) {
	encoded, err := password.Hash("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(encoded, "$argon2id$v=19$m=19456,t=2,p=1$") || len(encoded) != 97 {
		t.Errorf("%q is not of the form documented", encoded)
	}
	if err := password.Check(encoded, "correct horse"); err != nil {
		t.Errorf("the right password: %v", err)
	}
	if err := password.Check(encoded, "correct horsf"); !errors.Is(err, password.ErrMismatch) {
		t.Errorf("a wrong password: %v", err)
	}
}

func TestHash_saltsAreFresh(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		salt := strings.Split(mustHash(t, cheap, "same"), "$")[4]
		if seen[salt] {
			t.Fatal("a salt came twice")
		}
		seen[salt] = true
	}
}

// What the reference implementation of the designers makes, from its published tests.
func TestCheck_hashesOfTheReferenceImplementation(t *testing.T) {
	for _, encoded := range []string{
		"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
		"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
	} {
		if err := password.Check(encoded, "password"); err != nil {
			t.Errorf("%s: %v", encoded, err)
		}
		if err := password.Check(encoded, "Password"); !errors.Is(err, password.ErrMismatch) {
			t.Errorf("%s with another password: %v", encoded, err)
		}
	}
}

func TestCheck_changesNothingButTheSpelling(t *testing.T) {
	for _, c := range []struct{ name, set, other string }{
		{"nothing", "", " "},
		{"trailing blank", "password ", "password"},
		{"trailing NUL", "password\x00", "password"},
		{"NUL inside", "pass\x00word", "pass\x00work"},
		{"letter case", "Password", "password"},
		{"accents", "caf\u00e9", "cafe"},
		{"full width", "\uff50\uff41\uff53\uff53", "pass"},
		{"ligature", "\ufb01sh", "fish"},
		{"spaces are not joined", "a \u00a0b", "a b"},
		{"emoji with a skin tone", "👍🏽👍🏽👍🏽", "👍👍👍"},
		{"not UTF-8", "\xff\xfe", "\ufffd\ufffd"},
		{"73rd byte", strings.Repeat("a", 72) + "b", strings.Repeat("a", 72) + "c"},
		{"last byte of a MiB", strings.Repeat("a", 1<<20), strings.Repeat("a", 1<<20-1) + "b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			encoded := mustHash(t, cheap, c.set)
			if err := password.Check(encoded, c.set); err != nil {
				t.Errorf("the password itself: %v", err)
			}
			if err := password.Check(encoded, c.other); !errors.Is(err, password.ErrMismatch) {
				t.Errorf("another: %v", err)
			}
		})
	}
}

func TestParams_refusesWhatIsTooWeakOrTooMuch(t *testing.T) {
	for _, c := range []struct {
		name string
		p    password.Params
		good bool
	}{
		{"defaults", password.Params{}, true},
		{"OWASP 46 MiB", password.Params{MemoryKiB: 47104, Passes: 1}, true},
		{"OWASP 12 MiB", password.Params{MemoryKiB: 12288, Passes: 3}, true},
		{"OWASP 7 MiB", password.Params{MemoryKiB: 7168, Passes: 5}, true},
		{"one pass of 19 MiB", password.Params{MemoryKiB: 19456, Passes: 1}, false},
		{"little memory, many passes", password.Params{MemoryKiB: 4096, Passes: 16}, false},
		{"weak and spelt so", cheap, true},
		{"less than 8 blocks", password.Params{MemoryKiB: 7, AllowWeak: true}, false},
		{"too much memory", password.Params{MemoryKiB: 1 << 19, Passes: 1}, false},
		{"too many passes", password.Params{Passes: 17}, false},
		{"too many lanes", password.Params{Lanes: 5}, false},
		{"too much in all", password.Params{MemoryKiB: 1 << 18, Passes: 5}, false},
	} {
		_, err := password.NewGovernor(password.GovernorConfig{Params: c.p})
		if c.good != (err == nil) || (!c.good && !errors.Is(err, password.ErrCosts)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	weak := password.Params{MemoryKiB: 64}
	if _, err := weak.Hash("p"); !errors.Is(err, password.ErrCosts) {
		t.Errorf("Hash: %v", err)
	}
	if err := weak.CheckDummy("p"); !errors.Is(err, password.ErrCosts) {
		t.Errorf("CheckDummy: %v", err)
	}
}

func TestCheck_refusesHashesThatAreNotWellFormed(t *testing.T) {
	const costs = "$argon2id$v=19$m=64,t=1,p=1$"
	for _, encoded := range []string{
		"$argon2id$", costs, costs + salt16, costs + salt16 + "$", costs + "$" + tag32,
		costs + salt16 + "$" + tag32 + "$", costs + salt16 + "$" + tag32 + "\n", costs + salt16 + "$" + tag32 + "=",
		costs + salt16[:4] + "\n" + salt16[4:] + "$" + tag32,
		costs + salt16[:21] + "B$" + tag32, // stray bits in the last character
		costs + "c2FsdA$" + tag32, costs + salt16 + "$dGFn",
		costs + strings.Repeat("A", 87) + "$" + tag32, costs + salt16 + "$" + strings.Repeat("A", 87),
		"$argon2id$m=64,t=1,p=1$" + salt16 + "$" + tag32,
		"$argon2id$v=16$m=64,t=1,p=1$" + salt16 + "$" + tag32,
		"$argon2id$v=19$t=1,m=64,p=1$" + salt16 + "$" + tag32,
		"$argon2id$v=19$m=64,t=1$" + salt16 + "$" + tag32,
		"$argon2id$v=19$m=64,t=1,p=1,keyid=AA$" + salt16 + "$" + tag32,
		"$argon2id$v=19$m=064,t=1,p=1$" + salt16 + "$" + tag32,
		"$argon2id$v=19$m=+64,t=1,p=1$" + salt16 + "$" + tag32,
		"$argon2id$v=19$m=64,t=-1,p=1$" + salt16 + "$" + tag32,
		"$argon2id$v=19$m=64,t=0,p=1$" + salt16 + "$" + tag32,
		"$argon2id$v=19$m=64,t=1,p=0$" + salt16 + "$" + tag32,
		"$argon2id$v=19$m=7,t=1,p=1$" + salt16 + "$" + tag32,
		"$argon2id$v=19$m=31,t=1,p=4$" + salt16 + "$" + tag32,
		"$argon2id$v=19$m=64,t=1,p=١$" + salt16 + "$" + tag32,
	} {
		if err := password.Check(encoded, "p"); !errors.Is(err, password.ErrMalformed) {
			t.Errorf("%q: %v", encoded, err)
		}
		if err := password.Check(encoded, "p"); err != nil && strings.Contains(err.Error(), "c2Fsd") {
			t.Errorf("the error holds a part of the hash: %v", err)
		}
	}
	for _, encoded := range []string{"", "plain", "$argon2d$v=19$m=64,t=1,p=1$" + salt16 + "$" +
		tag32, "argon2id$v=19", "$ARGON2ID$"} {
		if err := password.Check(encoded, "p"); !errors.Is(err, password.ErrUnknownFormat) {
			t.Errorf("%q: %v", encoded, err)
		}
	}
}

// A row that somebody else wrote is refused before its memory is asked for.
func TestCheck_refusesAMemoryBombWithoutAllocating(t *testing.T) {
	for _, costs := range []string{
		"m=262145,t=1,p=1", "m=4194304,t=1,p=1", "m=4294967295,t=1,p=1", "m=4294967296,t=1,p=1",
		"m=99999999999999999999,t=1,p=1",
		"m=19456,t=17,p=1", "m=19456,t=4294967295,p=1", "m=262144,t=16,p=1", "m=19456,t=2,p=17", "m=19456,t=2,p=255",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		err := password.Check("$argon2id$v=19$"+costs+"$"+salt16+"$"+tag32, "p")
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, password.ErrMalformed) {
			t.Errorf("%s: %v", costs, err)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 || took > time.Second {
			t.Errorf("%s: %d bytes and %v to be refused", costs, grown, took)
		}
	}
}

func TestCheckDummy_alwaysMismatches(t *testing.T) {
	for _, text := range []string{"", "p", "and no password is known for it."} {
		if err := cheap.CheckDummy(text); !errors.Is(err, password.ErrMismatch) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := password.CheckDummy("p"); !errors.Is(err, password.ErrMismatch) {
		t.Error(err)
	}
}

// An answer's time must not tell whether the user exists.
func TestCheckDummy_takesAsLongAsCheck(t *testing.T) {
	p := password.Params{MemoryKiB: 1024, Passes: 1, AllowWeak: true}
	encoded := mustHash(t, p, "right")
	ratio := 0.0
	for range 5 { // a neighbour on the machine may spoil a round
		var known, unknown []time.Duration
		for len(known) < 101 || len(unknown) < 101 {
			start := time.Now()
			if rand.IntN(2) == 0 { // or garbage collections could always come in the same one's turn
				_ = password.Check(encoded, "wrong")
				known = append(known, time.Since(start))
			} else {
				_ = p.CheckDummy("wrong")
				unknown = append(unknown, time.Since(start))
			}
		}
		slices.Sort(known)
		slices.Sort(unknown)
		ratio = float64(unknown[len(unknown)/2]) / float64(known[len(known)/2])
		if ratio > 0.8 && ratio < 1.25 {
			t.Logf("unknown user %v, known user %v: %.3f", unknown[len(unknown)/2], known[len(known)/2], ratio)
			return
		}
	}
	t.Errorf("a check for an unknown user takes %.2f times one for a known user", ratio)
}

func TestNeedsRehash_onAlgorithmAndCost(t *testing.T) {
	p := password.Params{MemoryKiB: 128, Passes: 2, AllowWeak: true}
	other := func(change func(*password.Params)) password.Params { q := p; change(&q); return q }
	encoded := mustHash(t, p, "p")
	for _, c := range []struct {
		name    string
		encoded string
		want    password.Params
		needs   bool
	}{
		{"the same", encoded, p, false},
		{"AllowWeak is no cost", encoded, password.Params{MemoryKiB: 128, Passes: 2}, false},
		{"defaults", "$argon2id$v=19$m=19456,t=2,p=1$" + salt16 + "$" + tag32, password.Params{}, false},
		{"memory", encoded, other(func(q *password.Params) { q.MemoryKiB = 256 }), true},
		{"passes", encoded, other(func(q *password.Params) { q.Passes = 3 }), true},
		{"lanes", encoded, other(func(q *password.Params) { q.Lanes = 2 }), true},
		{"short salt", "$argon2id$v=19$m=128,t=2,p=1$c2FsdHNhbHQ$" + tag32, p, true},
		{"short tag", "$argon2id$v=19$m=128,t=2,p=1$" + salt16 + "$" + salt16, p, true},
		{"malformed", "$argon2id$", p, true},
		{"another algorithm", "$2b$10$abc", p, true},
	} {
		if got := password.NeedsRehash(c.encoded, c.want); got != c.needs {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
