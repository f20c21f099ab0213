package clients_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/clients"
	"github.com/hallpass-go/hallpass/internal/sessiondb"
	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/internal/testservers"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/ratelimit"
)

func TestMain(m *testing.M) { os.Exit(testservers.Run(m)) }

// fixture is the clients of a database, with what issues and verifies their tokens.
type fixture struct {
	*clients.Service
	registry *clients.Registry
	db       *sqldb.DB
	issuer   *clients.Issuer
	verifier *hallpass.Verifier[struct{}]
	clock    time.Time
	events   []hallpass.Event
	record   func() error // the error of the audit
}

func open(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{clock: time.Now(), record: func() error { return nil }}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	var err error
	f.db, err = sqldb.Open(t.Context(), testservers.Database(t, filepath.Join(dir, "hallpass.db")))
	must(err)
	t.Cleanup(func() { _ = f.db.Close() })
	f.registry, err = clients.Open(t.Context(), f.db)
	must(err)
	store, err := sessiondb.New(t.Context(), f.db)
	must(err)
	keys, err := jwk.OpenFile(filepath.Join(dir, "keys.json"))
	must(err)
	now := func() time.Time { return f.clock }
	revocations := hallpass.NewRevocations()
	f.issuer, err = hallpass.NewIssuer(hallpass.IssuerConfig[struct{}]{
		Issuer: "https://issuer.test", Audience: "api", Keys: keys, Store: store, Revocations: revocations, Now: now,
		Record: func(_ context.Context, e hallpass.Event) error {
			f.events = append(f.events, e)
			return f.record()
		},
	})
	must(err)
	f.verifier, err = hallpass.NewVerifier[struct{}](hallpass.VerifierConfig{
		Issuer: "https://issuer.test", Audience: "api", Keys: keys, Revocations: revocations, Now: now,
	})
	must(err)
	limiter, err := ratelimit.New(ratelimit.Config{Now: now})
	must(err)
	f.Service = clients.New(clients.Config{Registry: f.registry, Issuer: f.issuer, Limiter: limiter, Now: now})
	return f
}

func (f *fixture) create(t *testing.T, name string, scopes ...string) (clients.Client, string) {
	t.Helper()
	c, secret, err := f.Create(t.Context(), name, scopes)
	if err != nil {
		t.Fatal(err)
	}
	return c, secret
}

func (f *fixture) token(t *testing.T, c clients.Client, secret string) string {
	t.Helper()
	tokens, err := f.Token(t.Context(), c.ID, secret, nil, hallpass.Client{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.verifier.Verify(t.Context(), tokens.AccessToken); err != nil {
		t.Fatalf("a new token: %v", err)
	}
	return tokens.AccessToken
}

func (f *fixture) accepts(t *testing.T, c clients.Client, secret string) bool {
	t.Helper()
	_, err := f.Authenticate(t.Context(), c.ID, secret, hallpass.Client{})
	if err != nil && !errors.Is(err, clients.ErrRefused) {
		t.Fatal(err)
	}
	return err == nil
}

func TestCreate_checksNamesAndScopes(t *testing.T) {
	f := open(t)
	c, secret := f.create(t, "billing", "write", "read", "write")
	if !strings.HasPrefix(c.ID, clients.IDPrefix) || strings.Join(c.Scopes, " ") != "read write" || len(secret) != 48 {
		t.Errorf("made %+v with a secret of %d characters", c, len(secret))
	}
	if _, _, err := f.Create(t.Context(), "billing", nil); !errors.Is(err, clients.ErrNameTaken) {
		t.Errorf("a second one of this name: %v", err)
	}
	for _, name := range []string{
		"", "A", "a b", "-a", "client-x", "a\n", "ä", "a/b", strings.Repeat("a", 65),
	} {
		if _, _, err := f.Create(t.Context(), name, nil); !errors.As(err, new(*clients.InvalidError)) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	for _, scope := range []string{"", "a b", `a"b`, `a\b`, "ä", "a\n", strings.Repeat("a", 65)} {
		if _, _, err := f.Create(t.Context(), "x", []string{scope}); !errors.As(err, new(*clients.InvalidError)) {
			t.Errorf("scope %q: %v", scope, err)
		}
	}
	found, err := f.registry.Find(t.Context(), "billing")
	byID, errByID := f.registry.Find(t.Context(), c.ID)
	if err != nil || errByID != nil || found.ID != c.ID || byID.Name != "billing" {
		t.Errorf("found %+v (%v) and %+v (%v)", found, err, byID, errByID)
	}
}

// The database has no secret, and nothing that is one.
func TestCreate_storesAHash(t *testing.T) {
	f := open(t)
	c, secret := f.create(t, "billing")
	var hash string
	err := f.db.QueryRow(t.Context(), "SELECT secret_hash FROM clients WHERE id = ?", c.ID).Scan(&hash)
	if err != nil || len(hash) != 64 || strings.Contains(hash, secret) || f.accepts(t, c, hash) || f.accepts(t, c, "") {
		t.Errorf("stored as %q (%v)", hash, err)
	}
	if !f.accepts(t, c, secret) {
		t.Error("the secret is refused")
	}
}

// Whatever ends a client refuses its tokens in the same transaction: if its event cannot be written,
// nothing has happened.
func TestClient_endsWithItsTokens(t *testing.T) {
	for name, end := range map[string]func(f *fixture, id string) error{
		"disable": func(f *fixture, id string) error { _, err := f.Disable(t.Context(), id); return err },
		"rotate":  func(f *fixture, id string) error { _, _, err := f.Rotate(t.Context(), id, 0); return err },
		"delete":  func(f *fixture, id string) error { return f.Delete(t.Context(), id) },
	} {
		f := open(t)
		c, secret := f.create(t, "billing")
		other, otherSecret := f.create(t, "other")
		token, others := f.token(t, c, secret), f.token(t, other, otherSecret)
		f.record = func() error { return errors.New("the audit cannot be written") }
		if err := end(f, c.ID); err == nil {
			t.Errorf("%s without its event", name)
		}
		f.record = func() error { return nil }
		if _, err := f.verifier.Verify(t.Context(), token); err != nil || !f.accepts(t, c, secret) {
			t.Errorf("a %s that failed has ended the client (%v)", name, err)
		}
		f.clock = f.clock.Add(time.Second)
		if err := end(f, c.ID); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := f.verifier.Verify(t.Context(), token); !errors.Is(err, hallpass.ErrTokenRevoked) {
			t.Errorf("after %s its token: %v", name, err)
		}
		if f.accepts(t, c, secret) {
			t.Errorf("after %s the secret is accepted", name)
		}
		if _, err := f.verifier.Verify(t.Context(), others); err != nil {
			t.Errorf("after %s another client's token: %v", name, err)
		}
		f.token(t, other, otherSecret)
	}
}

// A client that is enabled again gets tokens at once; its old ones stay refused.
func TestEnable_acceptsAgain(t *testing.T) {
	f := open(t)
	c, secret := f.create(t, "billing")
	old := f.token(t, c, secret)
	if c, err := f.Disable(t.Context(), c.ID); err != nil || !c.Disabled {
		t.Errorf("disabled: %+v, %v", c, err)
	}
	if c, err := f.Enable(t.Context(), c.ID); err != nil || c.Disabled {
		t.Errorf("enabled: %+v, %v", c, err)
	}
	f.token(t, c, secret)
	if _, err := f.verifier.Verify(t.Context(), old); !errors.Is(err, hallpass.ErrTokenRevoked) {
		t.Errorf("a token from before: %v", err)
	}
}

// With an overlap both secrets are accepted until it ends, and tokens go on.
func TestRotate_overlaps(t *testing.T) {
	f := open(t)
	c, first := f.create(t, "billing")
	token := f.token(t, c, first)
	rotated, second, err := f.Rotate(t.Context(), c.ID, time.Hour)
	if err != nil || !rotated.PreviousExpiresAt.Equal(rotated.SecretMadeAt.Add(time.Hour)) {
		t.Fatalf("rotated: %+v, %v", rotated, err)
	}
	_, err = f.verifier.Verify(t.Context(), token)
	if err != nil || !f.accepts(t, c, first) || !f.accepts(t, c, second) {
		t.Errorf("during the overlap: %v", err)
	}
	f.clock = f.clock.Add(time.Hour)
	if f.accepts(t, c, first) || !f.accepts(t, c, second) {
		t.Error("the first secret outlives the overlap, or the second does not")
	}
	_, third, err := f.Rotate(t.Context(), c.ID, clients.MaxOverlap)
	if err != nil || f.accepts(t, c, first) || !f.accepts(t, c, second) || !f.accepts(t, c, third) {
		t.Errorf("after a second rotation: %v", err)
	}
	_, fourth, err := f.Rotate(t.Context(), c.ID, 0)
	if err != nil || f.accepts(t, c, second) || f.accepts(t, c, third) || !f.accepts(t, c, fourth) {
		t.Errorf("after a rotation without an overlap: %v", err)
	}
	for _, overlap := range []time.Duration{-1, clients.MaxOverlap + 1} {
		if _, _, err := f.Rotate(t.Context(), c.ID, overlap); !errors.As(err, new(*clients.InvalidError)) {
			t.Errorf("overlap %v: %v", overlap, err)
		}
	}
}

// A token that is being made while its client is disabled is refused: the order of both is the order
// of the database.
func TestToken_racesWithDisable(t *testing.T) {
	f := open(t)
	c, secret := f.create(t, "billing")
	prove := func(ctx context.Context) (string, []string, error) {
		checked, err := f.Authenticate(ctx, c.ID, secret, hallpass.Client{})
		if err == nil {
			_, err = f.Disable(ctx, c.ID) // after the check, before the token
		}
		return checked.ID, checked.Scopes, err
	}
	tokens, err := f.issuer.ClientToken(t.Context(), hallpass.Client{}, prove)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.verifier.Verify(t.Context(), tokens.AccessToken); !errors.Is(err, hallpass.ErrTokenRevoked) {
		t.Errorf("a token made around its client's end: %v", err)
	}
}

// Whoever revokes a client's tokens with settings of its own, as the command line does, has them refused
// until the last of them has expired.
func TestDisable_outlivesTheTokens(t *testing.T) {
	f := open(t)
	c, secret := f.create(t, "billing")
	f.token(t, c, secret)
	keys, err := jwk.OpenFile(filepath.Join(t.TempDir(), "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := sessiondb.New(t.Context(), f.db)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := hallpass.NewIssuer(hallpass.IssuerConfig[struct{}]{
		Issuer: "cli", Audience: "cli", Keys: keys, Store: store, AccessTTL: time.Minute,
		Now: func() time.Time { return f.clock },
	})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := clients.New(clients.Config{Registry: f.registry, Issuer: issuer})
	if _, err := elsewhere.Disable(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	var until int64
	err = f.db.QueryRow(t.Context(), "SELECT max(expires_at) FROM revocations").Scan(&until)
	if last := f.clock.Add(15 * time.Minute); err != nil || !sqldb.Time(until).After(last) {
		t.Errorf("refused until %v (%v), and the last token expires at %v", sqldb.Time(until), err, last)
	}
}

// Of many at once, one gets the name, and one deletes.
func TestClients_atOnce(t *testing.T) {
	f := open(t)
	var made, deleted int
	var mu sync.Mutex
	var work sync.WaitGroup
	count := func(n *int, err error, also error) {
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			*n++
		} else if !errors.Is(err, also) {
			t.Error(err)
		}
	}
	f.record = func() error { return nil }
	for range 8 {
		work.Go(func() {
			_, _, err := f.Create(t.Context(), "billing", nil)
			count(&made, err, clients.ErrNameTaken)
		})
	}
	work.Wait()
	c, err := f.registry.Find(t.Context(), "billing")
	if err != nil {
		t.Fatal(err)
	}
	for range 8 {
		work.Go(func() { count(&deleted, f.Delete(t.Context(), c.ID), clients.ErrNotFound) })
	}
	work.Wait()
	if made != 1 || deleted != 1 {
		t.Errorf("%d made and %d deleted", made, deleted)
	}
}

// The events tell of everything, and hold no secret.
func TestClients_tellWhatHappens(t *testing.T) {
	f := open(t)
	ctx := hallpass.WithActor(t.Context(), "root")
	c, first, _ := f.Create(ctx, "billing", nil)
	_, second, _ := f.Rotate(ctx, c.ID, time.Hour)
	f.token(t, c, second)
	f.accepts(t, c, "wrong")
	_, _ = f.Disable(ctx, c.ID)
	_, _ = f.Enable(ctx, c.ID)
	_ = f.Delete(ctx, c.ID)
	var names []string
	for _, e := range f.events {
		names = append(names, e.Name)
		byActor := strings.HasPrefix(e.Name, "client_") && e.Name != clients.EventRefused &&
			e.Name != hallpass.EventClientToken
		if e.Subject != c.ID || byActor != (e.Actor == "root") {
			t.Errorf("event %+v", e)
		}
		for _, secret := range []string{first, second, "wrong"} {
			if strings.Contains(e.Reason+e.TokenID, secret) {
				t.Errorf("%s has the secret", e.Name)
			}
		}
	}
	want := "client_created client_secret_rotated client_token_issued client_refused client_disabled " +
		"client_enabled client_deleted"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("told of %s, want %s", got, want)
	}
}
