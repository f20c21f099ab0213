package hallpass_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/attack"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
	"github.com/hallpass-go/hallpass/sessions"
)

const (
	testIssuer   = "https://issuer.test"
	testAudience = "https://api.test"
)

// keyring is a source that keys can be taken out of.
type keyring struct{ set atomic.Pointer[jwk.Set] }

func (k *keyring) Key(ctx context.Context, id string) (jwk.Key, error) {
	return k.set.Load().Key(ctx, id)
}

func newRemembering(
	tb testing.TB,
	remember int,
	change func(*hallpass.VerifierConfig),
) (*hallpass.Verifier[appClaims], *jwk.PrivateKey) {
	tb.Helper()
	key, err := jwk.Generate(jwk.EdDSA)
	if err != nil {
		tb.Fatal(err)
	}
	set, err := jwk.NewSet(key.Public())
	if err != nil {
		tb.Fatal(err)
	}
	c := hallpass.VerifierConfig{Issuer: testIssuer, Audience: testAudience, Keys: set, Remember: remember}
	if change != nil {
		change(&c)
	}
	v, err := hallpass.NewVerifier[appClaims](c)
	if err != nil {
		tb.Fatal(err)
	}
	return v, key
}

func signFor(tb testing.TB, key jwk.SigningKey, subject string, now time.Time) string {
	tb.Helper()
	token, err := jwt.Sign(key, jwt.TypeAccess, jwt.Claims{
		Issuer: testIssuer, Subject: subject, Audience: []string{testAudience},
		ExpiresAt: now.Add(15 * time.Minute), IssuedAt: now,
		ID: "token of " + subject, ClientID: "app", SessionID: "session of " + subject, AuthTime: now,
		Scopes: []string{"read", "write"}, Roles: []string{"user"},
	}, appClaims{Plan: "plan of " + subject})
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

// mustKnow verifies a token and reports whether it was remembered.
func mustKnow(tb testing.TB, v *hallpass.Verifier[appClaims], token, subject string) {
	tb.Helper()
	id, err := v.Verify(tb.Context(), token)
	if err != nil {
		tb.Fatal(err)
	}
	if id.Subject != subject || id.ID != "token of "+subject || id.SessionID != "session of "+subject ||
		id.Custom.Plan != "plan of "+subject || !id.HasScope("write") || !id.HasRole("user") ||
		id.Audience[0] != testAudience || id.Issuer != testIssuer {
		tb.Fatalf("%s was taken for %+v", subject, id)
	}
}

func TestRemembered_saysWhatTheTokenSays(t *testing.T) {
	v, key := newRemembering(t, 0, nil)
	token := signFor(t, key, "alice", time.Now())
	for range 5000 { // hits are counted by sampling
		mustKnow(t, v, token, "alice")
	}
	s := v.Remembered()
	if s.Tokens != 1 || s.Misses != 1 || s.Hits < 1 {
		t.Errorf("figures: %+v", s)
	}
	for i := range len(token) {
		changed := token[:i] + "." + token[i+1:]
		if _, err := v.Verify(t.Context(), changed); err == nil && changed != token {
			t.Errorf("changed at %d it was taken", i)
		}
	}
}

// Each of these takes a remembered token away at once.
func TestRemembered_isRefusedAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*clock, *keyring, *hallpass.Revocations)
		want   error
	}{
		"after its expiry": {func(c *clock, _ *keyring, _ *hallpass.Revocations) {
			c.Advance(15*time.Minute + 31*time.Second)
		}, hallpass.ErrTokenExpired},
		"by a clock set back": {func(c *clock, _ *keyring, _ *hallpass.Revocations) {
			c.Advance(-time.Minute)
		}, hallpass.ErrTokenInvalid},
		"after its session's revocation": {func(c *clock, _ *keyring, l *hallpass.Revocations) {
			l.Apply(sessions.Revocation{Kind: sessions.RevokedSession, ID: "session of alice",
				ExpiresAt: c.Now().Add(time.Hour)})
		}, hallpass.ErrTokenRevoked},
		"after its own revocation": {func(c *clock, _ *keyring, l *hallpass.Revocations) {
			l.Apply(sessions.Revocation{Kind: sessions.RevokedToken, ID: "token of alice",
				ExpiresAt: c.Now().Add(time.Hour)})
		}, hallpass.ErrTokenRevoked},
		"after its subject's revocation": {func(c *clock, _ *keyring, l *hallpass.Revocations) {
			l.Apply(sessions.Revocation{Kind: sessions.RevokedSubject, ID: "alice", Before: c.Now(),
				ExpiresAt: c.Now().Add(time.Hour)})
		}, hallpass.ErrTokenRevoked},
		"after its key's removal": {func(_ *clock, k *keyring, _ *hallpass.Revocations) {
			none, _ := jwk.NewSet()
			k.set.Store(none)
		}, hallpass.ErrTokenInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			time, keys, list := newClock(), &keyring{}, hallpass.NewRevocations()
			v, key := newRemembering(t, 0, func(c *hallpass.VerifierConfig) {
				keys.set.Store(c.Keys.(*jwk.Set))
				c.Now, c.Keys, c.Revocations = time.Now, keys, list
			})
			token := signFor(t, key, "alice", time.Now())
			other := signFor(t, key, "bob", time.Now())
			for range 3 {
				mustKnow(t, v, token, "alice")
				mustKnow(t, v, other, "bob")
			}
			c.change(time, keys, list)
			for range 2 {
				if id, err := v.Verify(t.Context(), token); !errors.Is(err, c.want) || id.Subject != "" {
					t.Errorf("got %+v, %v; want %v", id, err, c.want)
				}
			}
		})
	}
}

// A remembered token holds at exactly the times at which a full verification takes it.
func TestRemembered_holdsAsLongAsTheTokenItself(t *testing.T) {
	issued := time.Unix(1_800_000_000, 0)
	for name, notBefore := range map[string]time.Time{"without nbf": {}, "with nbf": issued.Add(time.Minute)} {
		now := issued.Add(2 * time.Minute)
		var config hallpass.VerifierConfig
		v, key := newRemembering(t, 0, func(c *hallpass.VerifierConfig) {
			c.Now = func() time.Time { return now }
			config = *c
		})
		config.Remember = -1
		full, err := hallpass.NewVerifier[appClaims](config)
		if err != nil {
			t.Fatal(err)
		}
		token, err := jwt.Sign(key, jwt.TypeAccess, jwt.Claims{
			Issuer: testIssuer, Subject: "alice", Audience: []string{testAudience}, ID: "1",
			IssuedAt: issued, NotBefore: notBefore, ExpiresAt: issued.Add(10 * time.Minute),
		}, appClaims{})
		if err != nil {
			t.Fatal(err)
		}
		taken, refused := 0, 0
		for _, border := range []time.Time{issued, notBefore, issued.Add(10 * time.Minute)} {
			for _, leeway := range []time.Duration{-30 * time.Second, 0, 30 * time.Second} {
				for _, by := range []time.Duration{-1, 0, 1} {
					now = issued.Add(2 * time.Minute)
					if _, err := v.Verify(t.Context(), token); err != nil {
						t.Fatal(err)
					}
					now = border.Add(leeway + by)
					_, got := v.Verify(t.Context(), token)
					_, want := full.Verify(t.Context(), token)
					if !errors.Is(got, want) {
						t.Errorf("%s, %v: remembered %v, verified %v", name, now.Sub(issued), got, want)
					}
					if want == nil {
						taken++
					} else {
						refused++
					}
				}
			}
		}
		if taken == 0 || refused == 0 {
			t.Errorf("%s: taken %d times, refused %d times", name, taken, refused)
		}
	}
}

// A key that comes back under the same ID is another key: what its predecessor signed stays
// refused.
func TestRemembered_anotherKeyOfTheSameID(t *testing.T) {
	keys := &keyring{}
	v, key := newRemembering(t, 0, func(c *hallpass.VerifierConfig) {
		keys.set.Store(c.Keys.(*jwk.Set))
		c.Keys = keys
	})
	token := signFor(t, key, "alice", time.Now())
	mustKnow(t, v, token, "alice")
	replaced, err := jwk.Generate(jwk.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":%q,"x":%q}]}`,
		key.ID(), member(t, replaced.Public(), "x"))
	set, err := jwk.ParseSet([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	keys.set.Store(set)
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, hallpass.ErrTokenInvalid) {
		t.Errorf("got %v", err)
	}
}

// What a handler does to its identity is nobody else's.
func TestRemembered_sharesNothingThatCanBeWritten(t *testing.T) {
	type rich struct {
		Tags   []string          `json:"tags"`
		Labels map[string]string `json:"labels"`
		Next   *rich             `json:"next"`
		Any    any               `json:"any"`
		Pair   [2][]int          `json:"pair"`
	}
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jwk.NewSet(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	v, err := hallpass.NewVerifier[rich](
		hallpass.VerifierConfig{Issuer: testIssuer, Audience: testAudience, Keys: set},
	)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	token, err := jwt.Sign(key, jwt.TypeAccess, jwt.Claims{
		Issuer: testIssuer, Subject: "alice", Audience: []string{testAudience}, ExpiresAt: now.Add(time.Minute),
		IssuedAt: now, ID: "1", Roles: []string{"user"},
	}, rich{[]string{"a"}, map[string]string{"k": "v"}, &rich{Tags: []string{"b"}}, []any{"c"}, [2][]int{{1}, {2}}})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		id, err := v.Verify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		c := id.Custom
		if id.Roles[0] != "user" || c.Tags[0] != "a" || c.Labels["k"] != "v" || c.Next.Tags[0] != "b" ||
			c.Any.([]any)[0] != "c" ||
			c.Pair[1][0] != 2 {
			t.Fatalf("a handler before this one changed it: %+v", id)
		}
		id.Roles[0], id.Audience[0], c.Tags[0] = "admin", "x", "x"
		c.Labels["k"], c.Next.Tags[0], c.Any.([]any)[0], c.Pair[1][0] = "x", "x", "x", 9
		_ = append(id.Audience, "overrun")
	}
}

// Tokens of secrets are remembered, too, since even a MAC takes longer than to look a token up.
// They are as exact as others, and are not taken any more when their secret is gone.
func TestRemembered_tokensOfSecrets(t *testing.T) {
	secret, err := jwk.GenerateSecret(jwk.HS256)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jwk.NewSecretSet(secret)
	if err != nil {
		t.Fatal(err)
	}
	keys := &keyring{}
	keys.set.Store(set)
	v, _ := newRemembering(t, 0, func(c *hallpass.VerifierConfig) { c.Keys = keys })
	target := attack.Target{Key: secret, Issuer: testIssuer, Audience: testAudience, Now: time.Now()}
	token := signFor(t, secret, "alice", time.Now())
	for range 3 {
		mustKnow(t, v, token, "alice")
	}
	if _, err := v.Verify(t.Context(), target.Valid(t)); err != nil {
		t.Fatal(err)
	}
	if s := v.Remembered(); s.Tokens != 2 || s.Misses != 2 {
		t.Errorf("figures: %+v", s)
	}
	for i := range len(token) {
		changed := token[:i] + "." + token[i+1:]
		if _, err := v.Verify(t.Context(), changed); err == nil && changed != token {
			t.Errorf("changed at %d it was taken", i)
		}
	}
	for f := range target.Forgeries(t) {
		if f.Class == "date" && strings.Contains(f.Name, "a minute") {
			continue // the leeway is half of that, and time goes on
		}
		if id, err := v.Verify(t.Context(), f.Token); err == nil || id.Subject != "" {
			t.Errorf("%s, %s: taken", f.Class, f.Name)
		}
	}
	again, err := jwk.GenerateSecret(jwk.HS256)
	if err != nil {
		t.Fatal(err)
	}
	if set, err = jwk.NewSecretSet(again); err != nil {
		t.Fatal(err)
	}
	keys.set.Store(set)
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, hallpass.ErrTokenInvalid) {
		t.Errorf("after its secret's removal: %v", err)
	}
}

func TestRemembered_canBeTurnedOff(t *testing.T) {
	v, key := newRemembering(t, -1, nil)
	token := signFor(t, key, "alice", time.Now())
	mustKnow(t, v, token, "alice")
	mustKnow(t, v, token, "alice")
	if s := v.Remembered(); s != (hallpass.RememberedStats{}) {
		t.Errorf("figures: %+v", s)
	}
}

func TestRemembered_isBounded(t *testing.T) {
	const bound = 256
	v, key := newRemembering(t, bound, nil)
	now := time.Now()
	for i := range 4 * bound {
		subject := fmt.Sprint("user-", i)
		token := signFor(t, key, subject, now)
		mustKnow(t, v, token, subject)
		mustKnow(t, v, token, subject)
	}
	if s := v.Remembered(); s.Tokens > bound || s.Tokens < bound/2 {
		t.Errorf("%d tokens held, of %d", s.Tokens, bound)
	}
}

// Two users' tokens never answer for each other, however many goroutines bring them, in whatever
// order, through a table that is too small for them.
func TestRemembered_nobodyIsTakenForAnother(t *testing.T) {
	v, key := newRemembering(t, 64, nil)
	list := make([]string, 200)
	now := time.Now()
	for i := range list {
		list[i] = signFor(t, key, fmt.Sprint("user-", i), now)
	}
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for range 100 {
				i := rand.IntN(len(list))
				id, err := v.Verify(context.Background(), list[i])
				if want := fmt.Sprint("user-", i); err != nil || id.Subject != want ||
					id.Custom.Plan != "plan of "+want {
					t.Errorf("token of %s: %+v, %v", want, id, err)
					return
				}
				id.Scopes[0] = "none of yours"
			}
		})
	}
	all.Wait()
}

// A revocation that comes while a token is verified is never lost.
func TestRemembered_revocationMeanwhile(t *testing.T) {
	list := hallpass.NewRevocations()
	v, key := newRemembering(t, 0, func(c *hallpass.VerifierConfig) { c.Revocations = list })
	now := time.Now()
	for i := range 200 {
		subject := fmt.Sprint("user-", i)
		token := signFor(t, key, subject, now)
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() { _, _ = v.Verify(context.Background(), token) })
		}
		all.Go(func() {
			list.Apply(
				sessions.Revocation{
					Kind:      sessions.RevokedSession,
					ID:        "session of " + subject,
					ExpiresAt: now.Add(time.Hour),
				},
			)
			if _, err := v.Verify(context.Background(), token); !errors.Is(err, hallpass.ErrTokenRevoked) {
				t.Errorf("%s: revoked, and let in: %v", subject, err)
			}
		})
		all.Wait()
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, hallpass.ErrTokenRevoked) {
			t.Fatalf("%s: revoked, and let in later: %v", subject, err)
		}
	}
}

func TestRemembered_memoryOfAToken(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own memory would be measured")
	}
	const tokens = 8192
	key, err := jwk.Generate(jwk.ES256)
	if err != nil {
		t.Fatal(err)
	}
	v, list := newBenchVerifier(t, key, tokens, 2*tokens)
	before := heap()
	for _, token := range list {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	each := (heap() - before) / tokens
	t.Logf("%d bytes a token of %d", each, len(list[0]))
	if each > 1200 {
		t.Errorf("%d bytes a token", each)
	}
	runtime.KeepAlive(v)
	runtime.KeepAlive(list)
}

// TestVerifier_readsNoClockForAForgery: a forged token costs the check of its signature alone.
func TestVerifier_readsNoClockForAForgery(t *testing.T) {
	read := 0
	v, key := newRemembering(t, 0, func(c *hallpass.VerifierConfig) {
		c.Now = func() time.Time { read++; return time.Now() }
	})
	token := signFor(t, key, "alice", time.Now())
	_, err := v.Verify(t.Context(), token[:len(token)-8]+"AAAAAAAA")
	if !errors.Is(err, hallpass.ErrTokenInvalid) || read > 0 {
		t.Errorf("%v, and the clock was read %d times", err, read)
	}
	mustKnow(t, v, token, "alice")
	if read == 0 {
		t.Error("the clock is not the one that is looked at")
	}
}

// textClaims hold strings in every way.
type textClaims struct {
	Shown
	Plan   string            `json:"plan"`
	List   []string          `json:"list"`
	Labels map[string]string `json:"labels"`
	Any    any               `json:"any"`
	Next   *textClaims       `json:"next"`
	Pair   [2]string         `json:"pair"`
}

// TestRemembered_keepsNoPayload: of own claims their values are kept, and not the payload that they
// were read from.
func TestRemembered_keepsNoPayload(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own memory would be measured")
	}
	const tokens = 400
	key, err := jwk.Generate(jwk.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jwk.NewSet(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, member := range map[string]string{
		"a string": `"plan":"p"`, "a list": `"list":["l"]`, "a map's key": `"labels":{"k":""}`,
		"a map's value": `"labels":{"":"v"}`,
		"anything":      `"any":{"a":["b"]}`, "a pointer": `"next":{"plan":"p"}`, "an array": `"pair":["a","b"]`,
		"an embedded one": `"tags":["t"]`,
	} {
		v, err := hallpass.NewVerifier[textClaims](hallpass.VerifierConfig{
			Issuer: testIssuer, Audience: testAudience, Keys: set, Remember: 64 * tokens,
		})
		if err != nil {
			t.Fatal(err)
		}
		own := json.RawMessage(`{` + member + `,"other":"` + strings.Repeat("x", 5000) + `"}`)
		list := make([]string, tokens)
		for i := range list {
			if list[i], err = jwt.Sign(key, jwt.TypeAccess, benchClaims(i), own); err != nil {
				t.Fatal(err)
			}
		}
		before := heap()
		for _, token := range list {
			if _, err := v.Verify(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		}
		if each := (heap() - before) / tokens; each > int64(len(list[0])+4000) {
			t.Errorf("%s: %d bytes for a token of %d", name, each, len(list[0]))
		}
		if s := v.Remembered(); s.Tokens != tokens {
			t.Errorf("%s: %d tokens remembered", name, s.Tokens)
		}
		runtime.KeepAlive(v)
		runtime.KeepAlive(list)
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A verifier that remembers the token that they are made from takes none of the forgeries.
func TestRemembered_forgeries(t *testing.T) {
	v, key := newRemembering(t, 0, nil)
	target := attack.Target{Key: key, Issuer: testIssuer, Audience: testAudience, Now: time.Now()}
	if _, err := v.Verify(t.Context(), target.Valid(t)); err != nil {
		t.Fatal(err)
	}
	for f := range target.Forgeries(t) {
		if f.Class == "date" && strings.Contains(f.Name, "a minute") {
			continue // the leeway is half of that, and time goes on
		}
		for range 2 {
			if id, err := v.Verify(t.Context(), f.Token); err == nil || id.Subject != "" {
				t.Errorf("%s, %s: taken", f.Class, f.Name)
			}
		}
	}
	if s := v.Remembered(); s.Tokens != 1 {
		t.Errorf("remembered %d tokens", s.Tokens)
	}
}
