package keyring_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/keyring"
	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/internal/testservers"
	"github.com/hallpass-go/hallpass/jwk"
	_ "modernc.org/sqlite"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

func now() time.Time { return start }

// folder is a data folder, with a database and a secret file.
type folder struct {
	t      *testing.T
	dir    string
	secret string
}

func newFolder(t *testing.T) folder {
	dir := t.TempDir()
	return folder{t: t, dir: dir, secret: filepath.Join(dir, "secret")}
}

func (f folder) database() *sqldb.DB {
	f.t.Helper()
	db, err := sqldb.Open(f.t.Context(), testservers.Database(f.t, filepath.Join(f.dir, "test.db")))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { db.Close() })
	return db
}

func (f folder) tryOpen() (*keyring.Ring, error) {
	f.t.Helper()
	return keyring.Open(f.t.Context(), keyring.Config{DB: f.database(), SecretFile: f.secret, Now: now})
}

func (f folder) open() *keyring.Ring {
	f.t.Helper()
	r, err := f.tryOpen()
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func (f folder) exec(statement string, args ...any) {
	f.t.Helper()
	err := f.database().Write(f.t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(statement, args...)
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// activeKey returns the key that r signs with, after it has checked that it signs.
func activeKey(t *testing.T, r *keyring.Ring) jwk.SigningKey {
	t.Helper()
	key, err := r.SigningKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("what is signed")
	signature, err := key.Sign(message)
	if err != nil {
		t.Fatal(err)
	}
	if !key.Verify(message, signature) || key.Verify([]byte("something else"), signature) {
		t.Fatal("the active key does not verify what it signed and nothing else")
	}
	return key
}

func TestOpen_makesOneActiveKeyAndKeepsIt(t *testing.T) {
	f := newFolder(t)
	r := f.open()
	first := activeKey(t, r)
	if first.Algorithm() != jwk.ES256 {
		t.Errorf("algorithm = %s, want ES256", first.Algorithm())
	}
	again := f.open()
	if second := activeKey(t, again); second.ID() != first.ID() {
		t.Errorf("reopened: the active key is %s, want %s", second.ID(), first.ID())
	}
	message := []byte("signed before the restart")
	signature, _ := first.Sign(message)
	key, err := again.Key(t.Context(), first.ID())
	if err != nil || !key.Verify(message, signature) {
		t.Errorf("reopened: the key does not verify what it signed before (%v)", err)
	}
	if r.Secret("x") != again.Secret("x") {
		t.Error("reopened: another secret")
	}
}

func TestOpen_usesTheAlgorithmForTheFirstKeyOnly(t *testing.T) {
	f := newFolder(t)
	open := func(algorithm jwk.Algorithm) jwk.SigningKey {
		r, err := keyring.Open(t.Context(),
			keyring.Config{DB: f.database(), SecretFile: f.secret, Algorithm: algorithm, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		return activeKey(t, r)
	}
	first := open(jwk.EdDSA)
	if first.Algorithm() != jwk.EdDSA {
		t.Errorf("algorithm = %s, want EdDSA", first.Algorithm())
	}
	if second := open(jwk.ES384); second.ID() != first.ID() {
		t.Error("another algorithm in the configuration replaced the key")
	}
}

func TestOpen_keepsKeysOfEveryFamily(t *testing.T) {
	for _, algorithm := range []jwk.Algorithm{jwk.HS512, jwk.RS256, jwk.ES512, jwk.EdDSA} {
		f := newFolder(t)
		c := keyring.Config{DB: f.database(), SecretFile: f.secret, Algorithm: algorithm, Now: now}
		r, err := keyring.Open(t.Context(), c)
		if err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		message := []byte("signed before the restart")
		signature, err := activeKey(t, r).Sign(message)
		if err != nil {
			t.Fatalf("%s: %v", algorithm, err)
		}
		again, err := keyring.Open(t.Context(), c)
		if err != nil {
			t.Fatalf("%s: reopened: %v", algorithm, err)
		}
		if key := activeKey(t, again); key.Algorithm() != algorithm || !key.Verify(message, signature) {
			t.Errorf("%s: reopened as a key of %s that does not verify", algorithm, key.Algorithm())
		}
	}
}

func TestOpen_refusesAnIncompleteConfig(t *testing.T) {
	f := newFolder(t)
	db := f.database()
	for name, c := range map[string]keyring.Config{
		"no database":          {SecretFile: f.secret},
		"no secret":            {DB: db},
		"two secrets":          {DB: db, SecretFile: f.secret, Secret: make([]byte, 32)},
		"a short secret":       {DB: db, Secret: []byte("short")},
		"an unknown algorithm": {DB: db, SecretFile: f.secret, Algorithm: "none"},
	} {
		if _, err := keyring.Open(t.Context(), c); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func TestOpen_bySeveralProcessesAtOnceGivesOneKey(t *testing.T) {
	const processes = 8
	f := newFolder(t)
	f.open() // so that the tables exist, and all make the key at the same time
	f.exec("DELETE FROM signing_keys")
	if err := os.Remove(f.secret); err != nil {
		t.Fatal(err)
	}
	databases := make([]*sqldb.DB, processes)
	for i := range databases {
		databases[i] = f.database()
	}
	rings := make([]*keyring.Ring, processes)
	var ready, done sync.WaitGroup
	ready.Add(1)
	for i := range processes {
		done.Go(func() {
			ready.Wait()
			var err error
			rings[i], err = keyring.Open(context.Background(),
				keyring.Config{DB: databases[i], SecretFile: f.secret, Now: now})
			if err != nil {
				t.Error(err)
			}
		})
	}
	ready.Done()
	done.Wait()
	if t.Failed() {
		t.FailNow()
	}
	want := activeKey(t, rings[0]).ID()
	for i, r := range rings {
		if got := activeKey(t, r).ID(); got != want {
			t.Errorf("process %d signs with %s, process 0 with %s", i, got, want)
		}
		if r.Secret("x") != rings[0].Secret("x") {
			t.Errorf("process %d has another secret", i)
		}
	}
	list, err := rings[0].List(t.Context())
	if err != nil || len(list) != 1 {
		t.Errorf("the database has %d keys (%v), want 1", len(list), err)
	}
}

func TestDatabase_refusesASecondActiveKey(t *testing.T) {
	f := newFolder(t)
	f.open()
	err := f.database().Write(t.Context(), func(tx *sqldb.Tx) error {
		_, err := tx.Exec(
			`INSERT INTO signing_keys (id, algorithm, state, sealed, sealed_by, created_at) ` +
				`VALUES ('x', 'ES256', 'active', '', '', 0)`,
		)
		return err
	})
	if !sqldb.IsUnique(err) {
		t.Errorf("err = %v, want one of a unique key", err)
	}
}

func TestDatabase_holdsNoPrivateBytes(t *testing.T) {
	if !testservers.OnSQLite() {
		t.Skip("this is about files of SQLite")
	}
	f := newFolder(t)
	r := f.open()
	key := activeKey(t, r).(*jwk.PrivateKey)
	private, err := key.MarshalPrivate()
	if err != nil {
		t.Fatal(err)
	}
	var members struct{ D []byte }
	if err := json.Unmarshal(toStdBase64(private), &members); err != nil || len(members.D) < 32 {
		t.Fatalf("d has %d bytes (%v)", len(members.D), err)
	}
	var text struct{ D string }
	if err := json.Unmarshal(private, &text); err != nil {
		t.Fatal(err)
	}
	secret, err := os.ReadFile(f.secret)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(f.dir, "test.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no database files (%v)", err)
	}
	sawKey := false
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sawKey = sawKey || bytes.Contains(data, []byte(key.ID()))
		for what, bad := range map[string][]byte{
			"d in raw bytes": members.D, "d in base64url": []byte(text.D), "a private JWK": []byte(`"d":`),
			"the secret": bytes.TrimSpace(secret),
		} {
			if bytes.Contains(data, bad) {
				t.Errorf("%s holds %s", filepath.Base(file), what)
			}
		}
	}
	if !sawKey {
		t.Error("the key's ID is in none of the files: the wrong files were searched")
	}
}

// toStdBase64 converts the base64url of a JWK's "d" to what encoding/json decodes into bytes.
func toStdBase64(data []byte) []byte {
	var members map[string]any
	if json.Unmarshal(data, &members) != nil {
		return nil
	}
	d, _ := members["d"].(string)
	d = strings.NewReplacer("-", "+", "_", "/").Replace(d)
	for len(d)%4 != 0 {
		d += "="
	}
	out, _ := json.Marshal(map[string]string{"d": d})
	return out
}

func TestOpen_refusesAWrongSecretAndMakesNoKeys(t *testing.T) {
	f := newFolder(t)
	r := f.open()
	kept, err := os.ReadFile(f.secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(f.secret); err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.LoadSecret(f.secret); err != nil {
		t.Fatal(err)
	}
	_, err = f.tryOpen()
	if !errors.Is(err, keyring.ErrWrongSecret) || !strings.Contains(err.Error(), f.secret) {
		t.Errorf("err = %v, want ErrWrongSecret that names the file", err)
	}
	if list, err := r.List(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("the database has %d keys (%v), want 1", len(list), err)
	}
	if err := os.WriteFile(f.secret, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	if activeKey(t, f.open()).ID() != activeKey(t, r).ID() {
		t.Error("with the restored secret there is another key")
	}
}

func TestOpen_refusesAMissingSecretAndMakesNone(t *testing.T) {
	f := newFolder(t)
	f.open()
	if err := os.Remove(f.secret); err != nil {
		t.Fatal(err)
	}
	if _, err := f.tryOpen(); !errors.Is(err, keyring.ErrWrongSecret) {
		t.Errorf("err = %v, want ErrWrongSecret", err)
	}
	if _, err := os.Stat(f.secret); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was made where the secret was lost (%v)", err)
	}
}

func TestOpen_refusesARowThatWasTamperedWith(t *testing.T) {
	flip := func(offset int) string {
		return `UPDATE signing_keys SET sealed = ` + blob(`substr(sealed, 1, `+itoa(offset)+`) || `+
			bytesOf("00ff00ff")+` || substr(sealed, `+itoa(offset+5)+`)`)
	}
	for name, statement := range map[string]string{
		"nonce":      flip(3),
		"ciphertext": flip(40),
		"tag": `UPDATE signing_keys SET sealed = ` +
			blob(`substr(sealed, 1, length(sealed) - 2) || `+bytesOf("00ff")),
		"cut short":             `UPDATE signing_keys SET sealed = substr(sealed, 1, 10)`,
		"emptied":               `UPDATE signing_keys SET sealed = ` + bytesOf(""),
		"renamed":               `UPDATE signing_keys SET id = 'another'`,
		"algorithm":             `UPDATE signing_keys SET algorithm = 'ES384'`,
		"algorithm to a secret": `UPDATE signing_keys SET algorithm = 'HS256'`,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t)
			f.open()
			f.exec(statement)
			if _, err := f.tryOpen(); !errors.Is(err, keyring.ErrDamagedKey) {
				t.Errorf("err = %v, want ErrDamagedKey", err)
			}
		})
	}
}

func itoa(n int) string { return string([]byte{byte('0' + n/10), byte('0' + n%10)}) }

func TestRefresh_keepsTheSameKeyAndSet(t *testing.T) {
	r := newFolder(t).open()
	key := activeKey(t, r)
	set, _ := r.Published(t.Context())
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, _ := r.Key(t.Context(), key.ID()); got != jwk.Key(key) {
		t.Error("Key returns another value for an unchanged key")
	}
	if got, _ := r.Published(t.Context()); got != set {
		t.Error("Published returns another set although nothing changed")
	}
}

func TestRefresh_followsTheDatabase(t *testing.T) {
	f := newFolder(t)
	r := f.open()
	first := activeKey(t, r)
	f.exec(`UPDATE signing_keys SET state = 'retired', retired_at = 5`)
	if err := r.Refresh(t.Context()); !errors.Is(err, keyring.ErrNoActiveKey) {
		t.Errorf("without an active key: err = %v, want ErrNoActiveKey", err)
	}
	if _, err := r.SigningKey(t.Context()); !errors.Is(err, jwk.ErrUnavailable) {
		t.Errorf("SigningKey: err = %v, want jwk.ErrUnavailable", err)
	}

	second := activeKey(t, f.open()) // makes one, since there is none
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := activeKey(t, r); got.ID() != second.ID() || got.ID() == first.ID() {
		t.Errorf("the active key is %s, want %s", got.ID(), second.ID())
	}
	if got, err := r.Key(t.Context(), first.ID()); err != nil || got != jwk.Key(first) {
		t.Errorf("the retired key: %v, want the value that it was before", err)
	}
	if n := published(t, r); n != 2 {
		t.Errorf("%d keys are published, want 2", n)
	}

	f.exec(`UPDATE signing_keys SET state = 'gone', sealed = ` + bytesOf("") + `, gone_at = 6 WHERE state = 'retired'`)
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Key(t.Context(), first.ID()); !errors.Is(err, jwk.ErrUnknownKey) {
		t.Errorf("the key that is gone: err = %v, want jwk.ErrUnknownKey", err)
	}
	if n := published(t, r); n != 1 {
		t.Errorf("%d keys are published, want 1", n)
	}
}

func TestRefresh_keepsWhatItHasWhenTheDatabaseCannotBeAsked(t *testing.T) {
	f := newFolder(t)
	db := f.database()
	r, err := keyring.Open(t.Context(), keyring.Config{DB: db, SecretFile: f.secret, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	key := activeKey(t, r)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Refresh(t.Context()); !errors.Is(err, sqldb.ErrUnavailable) {
		t.Errorf("err = %v, want sqldb.ErrUnavailable", err)
	}
	if got := activeKey(t, r); got != key {
		t.Error("the active key changed")
	}
	if got, err := r.Key(t.Context(), key.ID()); err != nil || got != jwk.Key(key) {
		t.Errorf("Key: %v", err)
	}
	if n := published(t, r); n != 1 {
		t.Errorf("%d keys are published, want 1", n)
	}
}

func TestRefresh_keepsWhatItHasWhenAKeyIsDamaged(t *testing.T) {
	f := newFolder(t)
	r := f.open()
	key := activeKey(t, r)
	f.exec(`UPDATE signing_keys SET sealed = ` + bytesOf("00"))
	if err := r.Refresh(t.Context()); !errors.Is(err, keyring.ErrDamagedKey) {
		t.Errorf("err = %v, want ErrDamagedKey", err)
	}
	if got := activeKey(t, r); got != key {
		t.Error("the active key changed")
	}
}

func TestKey_isUnknownUnlessItIsInTheRing(t *testing.T) {
	r := newFolder(t).open()
	for _, id := range []string{"", "x", activeKey(t, r).ID() + " ", "' OR 1=1 --"} {
		if key, err := r.Key(t.Context(), id); key != nil || !errors.Is(err, jwk.ErrUnknownKey) {
			t.Errorf("Key(%q) = %v, %v, want jwk.ErrUnknownKey", id, key, err)
		}
	}
}

func TestPublished_hasThePublicHalfOnly(t *testing.T) {
	r := newFolder(t).open()
	set, err := r.Published(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	var published struct{ Keys []map[string]any }
	if err := json.Unmarshal(data, &published); err != nil || len(published.Keys) != 1 {
		t.Fatalf("%s (%v), want one key", data, err)
	}
	if got := published.Keys[0]["kid"]; got != activeKey(t, r).ID() {
		t.Errorf("kid = %v, want that of the active key", got)
	}
	if _, private := published.Keys[0]["d"]; private {
		t.Error("the private part is published")
	}
}

func TestSecret_differsByPurposeAndBySecret(t *testing.T) {
	r, other := newFolder(t).open(), newFolder(t).open()
	first := r.Secret("refresh token")
	if first != r.Secret("refresh token") {
		t.Error("one purpose has two secrets")
	}
	if first == r.Secret("cursor") {
		t.Error("two purposes have one secret")
	}
	if first == other.Secret("refresh token") {
		t.Error("two installations have one secret")
	}
	if r.Secret("") == [32]byte{} {
		t.Error("the secret is empty")
	}
}

func TestRing_ofHMACSecretsPublishesNothing(t *testing.T) {
	f := newFolder(t)
	r, err := keyring.Open(t.Context(),
		keyring.Config{DB: f.database(), SecretFile: f.secret, Algorithm: jwk.HS256, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if key := activeKey(t, r); key.Algorithm() != jwk.HS256 {
		t.Errorf("algorithm = %s, want HS256", key.Algorithm())
	}
	if n := published(t, r); n != 0 {
		t.Errorf("%d keys are published, want none", n)
	}
}

func TestRing_neverMixesSecretsAndKeyPairs(t *testing.T) {
	f := newFolder(t)
	c := keyring.Config{DB: f.database(), SecretFile: f.secret, Algorithm: jwk.HS256, Now: now}
	if _, err := keyring.Open(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	f.exec(`UPDATE signing_keys SET state = 'retired'`)
	if _, err := f.tryOpen(); err == nil {
		t.Error("a key pair was added to a ring of secrets")
	}
	r, err := keyring.Open(t.Context(), c)
	if err != nil {
		t.Fatalf("afterwards the ring does not open any more: %v", err)
	}

	pair := newFolder(t)
	pair.secret = f.secret
	pair.open()
	if err := copyKey(pair.database(), f); err != nil {
		t.Fatal(err)
	}
	if err := r.Refresh(t.Context()); err == nil {
		t.Error("a secret and a key pair were taken into one ring")
	}
}

// copyKey copies the only key of a database to another one, as its next key.
func copyKey(from *sqldb.DB, to folder) error {
	var id, algorithm, sealedBy string
	var sealed []byte
	row := from.QueryRow(to.t.Context(), `SELECT id, algorithm, sealed, sealed_by FROM signing_keys`)
	if err := row.Scan(&id, &algorithm, &sealed, &sealedBy); err != nil {
		return err
	}
	to.exec(
		`INSERT INTO signing_keys (id, algorithm, state, sealed, sealed_by, created_at) VALUES (?, ?, 'next', ?, ?, 1)`,
		id,
		algorithm,
		sealed,
		sealedBy,
	)
	return nil
}

func TestList_tellsEverythingButTheKey(t *testing.T) {
	r := newFolder(t).open()
	list, err := r.List(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("%d keys (%v), want 1", len(list), err)
	}
	want := keyring.KeyInfo{
		ID:          activeKey(t, r).ID(),
		Algorithm:   jwk.ES256,
		State:       keyring.Active,
		CreatedAt:   start,
		ActivatedAt: start,
	}
	if list[0] != want {
		t.Errorf("got  %+v\nwant %+v", list[0], want)
	}
}

func published(t *testing.T, r *keyring.Ring) int {
	t.Helper()
	set, err := r.Published(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(set.Keys())
}

// bytesOf is a literal of bytes, and blob an expression of them, in the database's dialect.
func bytesOf(hex string) string {
	if testservers.OnSQLite() {
		return "x'" + hex + "'"
	}
	return `'\x` + hex + "'::bytea"
}

func blob(expression string) string {
	if testservers.OnSQLite() {
		return "CAST(" + expression + " AS BLOB)"
	}
	return expression
}
