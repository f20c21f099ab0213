// Package keyring keeps the server's signing keys in its database, encrypted under a secret that is
// not in the database. To sign, an attacker needs both the database and the secret in the data
// folder.
//
// A [Ring] answers from memory. [Ring.Refresh] reads the database, where another process may have
// changed the keys.
package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/jwk"
)

// Errors that callers check for. In addition, an error that wraps sqldb.ErrUnavailable says that
// the database could not be reached.
var (
	// ErrWrongSecret says that keys in the database were sealed under another secret, or that the
	// secret is missing.
	ErrWrongSecret = errors.New("keyring: wrong secret")
	// ErrDamagedKey says that a key in the database differs from what was written.
	ErrDamagedKey = errors.New("keyring: damaged key")
	// ErrNoActiveKey says that the database has no signing key.
	ErrNoActiveKey = errors.New("keyring: no active key")
)

// errMixed ensures that a public key is never used as a secret (RFC 8725 §3.1).
var errMixed = errors.New("keyring: HMAC secrets and key pairs do not go into one ring")

// Config configures [Open].
type Config struct {
	// DB keeps the keys. Required.
	DB *sqldb.DB
	// SecretFile is the path of the secret's file. If the file does not exist and the database has
	// no keys, [LoadSecret] creates it. Exactly one of SecretFile and Secret is required.
	SecretFile string
	// Secret is the secret itself, 32 bytes, for programs that keep it elsewhere; see
	// [ParseSecret].
	Secret []byte
	// Algorithm is the algorithm of the first key. Existing keys keep theirs. Defaults to ES256.
	Algorithm jwk.Algorithm
	// Publish is how long the next key is published before it signs: a little longer than verifiers
	// may cache the published keys. Defaults to 6 minutes.
	Publish time.Duration
	// Retire is how long a key stays published after it stopped signing: a little longer than the
	// longest lifetime of a token. Defaults to 24 hours and 10 minutes.
	Retire time.Duration
	// Rotation is how long a key signs before [Ring.Advance] starts to rotate it. Defaults to
	// forever.
	Rotation time.Duration
	// Changed is called for each key that is seen in a new state, whichever process changed it.
	// That includes new keys and keys that are gone. It gets the context of the call that changed
	// the key, and context.Background() if that was another process. It must not block or call the
	// ring. Defaults to doing nothing.
	Changed func(context.Context, KeyInfo)
	// Record is called for each change of a key in the change's transaction, with the key as it is
	// afterwards. If it fails, nothing changes. Defaults to doing nothing.
	Record func(context.Context, KeyInfo) error
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Ring holds the signing keys of one database. It is a [jwk.Ring], safe for concurrent use.
type Ring struct {
	db     *sqldb.DB
	secret []byte
	origin string // where the secret came from, for error messages
	sealer *sealer
	now    func() time.Time

	changed func(context.Context, KeyInfo)
	record  func(context.Context, KeyInfo) error

	publish, retire, rotation time.Duration // of Config

	written sync.Map // KeyInfo.step → context.Context of what this process writes and has not yet seen

	refreshing sync.Mutex // held while current is replaced
	current    atomic.Pointer[snapshot]
}

var _ jwk.Ring = (*Ring)(nil)

// snapshot holds the keys at one time. It is immutable.
type snapshot struct {
	rows      map[string]row // from which keys was made
	keys      map[string]jwk.SigningKey
	active    jwk.SigningKey // nil if there is none
	published *jwk.Set
}

// Open returns the keys of a database and updates the schema of its tables. If there is no signing
// key, Open makes the first one. If several programs do this at the same time, they all use the
// same key.
//
// If the secret does not open the existing keys, Open fails with [ErrWrongSecret] and makes no new
// ones.
func Open(ctx context.Context, c Config) (*Ring, error) {
	r, err := open(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("opening keyring: %w", err)
	}
	return r, nil
}

func open(ctx context.Context, c Config) (*Ring, error) {
	if c.DB == nil || (c.SecretFile == "") == (c.Secret == nil) {
		return nil, errors.New("DB and either SecretFile or Secret are required")
	}
	if c.Algorithm == "" {
		c.Algorithm = jwk.ES256
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Publish == 0 {
		c.Publish = jwk.PublishedBefore
	}
	if c.Retire == 0 {
		c.Retire = jwk.PublishedAfter
	}
	files, err := migrationsFor(c.DB.Dialect())
	if err != nil {
		return nil, err
	}
	if err := c.DB.Migrate(ctx, "keyring", files); err != nil {
		return nil, err
	}
	if c.Changed == nil {
		c.Changed = func(context.Context, KeyInfo) {}
	}
	if c.Record == nil {
		c.Record = func(context.Context, KeyInfo) error { return nil }
	}
	r := &Ring{
		db: c.DB, now: c.Now, changed: c.Changed, record: c.Record,
		publish: c.Publish, retire: c.Retire, rotation: c.Rotation,
	}
	if err := r.loadSecret(ctx, c); err != nil {
		return nil, err
	}
	err = r.Refresh(ctx)
	if !errors.Is(err, ErrNoActiveKey) {
		return r, err
	}
	if err := r.createActive(ctx, c.Algorithm); err != nil {
		return nil, err
	}
	return r, r.Refresh(ctx)
}

// loadSecret makes a new secret only if the database has no keys that it could fail to open.
func (r *Ring) loadSecret(ctx context.Context, c Config) (err error) {
	r.secret, r.origin = bytes.Clone(c.Secret), "the secret that was given"
	if c.SecretFile != "" {
		r.origin = "the secret in " + c.SecretFile
		if r.secret, err = r.readSecretFile(ctx, c.SecretFile); err != nil {
			return err
		}
	}
	if len(r.secret) != SecretSize {
		return fmt.Errorf("a secret has %d bytes", SecretSize)
	}
	r.sealer, err = newSealer(r.secret)
	return err
}

func (r *Ring) readSecretFile(ctx context.Context, path string) ([]byte, error) {
	rows, err := readKeys(ctx, r.db)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return LoadSecret(path)
	}
	secret, err := readSecret(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf(
			"%w: the database has keys, and the file with their secret, %s, is missing; restore it",
			ErrWrongSecret,
			path,
		)
	}
	return secret, err
}

// createActive adds a key, unless another process has just done so. Then it uses that one.
func (r *Ring) createActive(ctx context.Context, algorithm jwk.Algorithm) error {
	for _, key := range r.current.Load().keys {
		if isHMAC(key.Algorithm()) != isHMAC(algorithm) {
			return errMixed
		}
	}
	made, err := r.newRow(algorithm)
	if err != nil {
		return err
	}
	err = r.write(ctx, func(tx *sqldb.Tx) ([]KeyInfo, error) {
		return []KeyInfo{made.in(Active)}, insertActive(tx, made)
	})
	if err != nil && !sqldb.IsUnique(err) {
		return fmt.Errorf("adding a key: %w", err)
	}
	return nil
}

// Refresh reads the keys from the database. After an error the ring is unchanged, except after
// [ErrNoActiveKey]: then it verifies with the remaining keys and cannot sign.
func (r *Ring) Refresh(ctx context.Context) error {
	r.refreshing.Lock()
	defer r.refreshing.Unlock()
	rows, err := readKeys(ctx, r.db)
	if err != nil {
		return fmt.Errorf("reading keys: %w", err)
	}
	before := r.current.Load()
	next, err := r.take(rows, before)
	if err != nil {
		return err
	}
	r.current.Store(next)
	r.tell(before, next)
	if next.active == nil {
		return ErrNoActiveKey
	}
	return nil
}

// tell reports the changes from one snapshot to the next.
func (r *Ring) tell(before, next *snapshot) {
	if before == nil || before == next {
		return
	}
	for id, row := range next.rows {
		if before.rows[id].State != row.State {
			r.changed(r.writer(row.KeyInfo), row.KeyInfo)
		}
	}
	for id, row := range before.rows {
		if _, there := next.rows[id]; !there {
			row.State = Gone
			r.changed(r.writer(row.KeyInfo), row.KeyInfo)
		}
	}
}

// writer returns the context of the call that brought a key into its state, for [Config.Changed].
func (r *Ring) writer(key KeyInfo) context.Context {
	if ctx, ours := r.written.LoadAndDelete(key.step()); ours {
		return ctx.(context.Context)
	}
	return context.Background()
}

// take makes a snapshot of rows, or returns the previous one if nothing has changed. A key whose
// row has not changed keeps its value.
func (r *Ring) take(rows []row, before *snapshot) (*snapshot, error) {
	rows = slices.DeleteFunc(rows, func(row row) bool { return row.State == Gone })
	if before == nil {
		before = &snapshot{}
	} else if before.isOf(rows) {
		return before, nil
	}
	s := &snapshot{rows: map[string]row{}, keys: map[string]jwk.SigningKey{}}
	var public []*jwk.PublicKey
	for _, row := range rows {
		key, known := before.keys[row.ID]
		if !known || !before.rows[row.ID].holdsSameKey(row) {
			var err error
			if key, err = r.unseal(row); err != nil {
				return nil, err
			}
		}
		s.rows[row.ID], s.keys[row.ID] = row, key
		if row.State == Active {
			s.active = key
		}
		if private, ok := key.(*jwk.PrivateKey); ok {
			public = append(public, private.Public())
		}
	}
	if len(public) != 0 && len(public) != len(s.keys) {
		return nil, errMixed
	}
	var err error
	s.published, err = jwk.NewSet(public...)
	return s, err
}

func (s *snapshot) isOf(rows []row) bool {
	if len(rows) != len(s.rows) {
		return false
	}
	for _, row := range rows {
		if known, ok := s.rows[row.ID]; !ok || known.State != row.State || !known.holdsSameKey(row) {
			return false
		}
	}
	return true
}

func (r row) holdsSameKey(other row) bool {
	return r.Algorithm == other.Algorithm && bytes.Equal(r.sealed, other.sealed)
}

// unseal returns the key of a row, and checks that it matches the row.
func (r *Ring) unseal(row row) (jwk.SigningKey, error) {
	if row.sealedBy != r.sealer.fingerprint {
		return nil, fmt.Errorf(
			"%w: %s does not open the keys in the database; restore the one that they were made with",
			ErrWrongSecret,
			r.origin,
		)
	}
	plain, err := r.sealer.open(row.ID, row.Algorithm, row.sealed)
	if err != nil {
		return nil, damaged(row)
	}
	defer clear(plain)
	key, err := parse(row.Algorithm, plain)
	if err != nil || key.ID() != row.ID || key.Algorithm() != row.Algorithm {
		return nil, damaged(row)
	}
	return key, nil
}

func damaged(row row) error {
	return fmt.Errorf("%w: key %q was changed in the database; restore it from a backup", ErrDamagedKey, row.ID)
}

// privateKey is a key that can be sealed.
type privateKey interface {
	jwk.SigningKey
	MarshalPrivate() ([]byte, error)
}

func generate(algorithm jwk.Algorithm) (privateKey, error) {
	if isHMAC(algorithm) {
		return jwk.GenerateSecret(algorithm)
	}
	return jwk.Generate(algorithm)
}

func parse(algorithm jwk.Algorithm, data []byte) (jwk.SigningKey, error) {
	if isHMAC(algorithm) {
		return jwk.ParseSecret(data)
	}
	return jwk.ParsePrivate(data)
}

func isHMAC(algorithm jwk.Algorithm) bool { return strings.HasPrefix(string(algorithm), "HS") }

// Key returns the key with that ID, or jwk.ErrUnknownKey. It does not read the database.
func (r *Ring) Key(_ context.Context, id string) (jwk.Key, error) {
	key, ok := r.current.Load().keys[id]
	if !ok {
		return nil, jwk.ErrUnknownKey
	}
	return key, nil
}

// SigningKey returns the active key. It does not read the database. The error wraps
// jwk.ErrUnavailable.
func (r *Ring) SigningKey(context.Context) (jwk.SigningKey, error) {
	if active := r.current.Load().active; active != nil {
		return active, nil
	}
	return nil, fmt.Errorf("%w: %w", jwk.ErrUnavailable, ErrNoActiveKey)
}

// Published returns the public keys that verifiers may need. It does not read the database.
func (r *Ring) Published(context.Context) (*jwk.Set, error) { return r.current.Load().published, nil }

// Secret derives 32 bytes for one purpose from the secret in the data folder.
func (r *Ring) Secret(purpose string) [32]byte { return derive(r.secret, labelPurpose+purpose) }

// List returns every key in the database, oldest first, including those that are gone.
func (r *Ring) List(ctx context.Context) ([]KeyInfo, error) {
	rows, err := readKeys(ctx, r.db)
	if err != nil {
		return nil, fmt.Errorf("listing keys: %w", err)
	}
	list := make([]KeyInfo, 0, len(rows))
	for _, row := range rows {
		list = append(list, row.KeyInfo)
	}
	return list, nil
}
