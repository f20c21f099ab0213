package jwk

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/hallpass-go/hallpass/internal/strictjson"
)

// File is a [Ring] of one signing key that is kept in a file, for a single server. It is read once.
type File struct {
	signing   SigningKey
	verifying *Set
	published *Set
	secret    []byte
}

// fileDocument is the file: the whole signing key, and the secret from which others are derived.
type fileDocument struct {
	Key    json.RawMessage `json:"key"`
	Secret bytes64         `json:"secret"`
}

// OpenFile reads the ring in a file. When there is no such file it makes one, with a new ES256 key. The file holds secrets: it has mode 0600, and
// one that others could read is refused.
func OpenFile(path string) (*File, error) {
	f, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := createFile(path); err != nil {
			return nil, fmt.Errorf("making keys in %s: %w", path, err)
		}
		f, err = readFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("opening keys in %s: %w", path, err)
	}
	return f, nil
}

func readFile(path string) (*File, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: it is not a regular file", ErrInvalidKey)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: others can read it: run chmod 600 %s, and make new keys if somebody may have", ErrInvalidKey, path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var d fileDocument
	if err := strictjson.Decode(data, &d); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvalidKey, err)
	}
	return d.ring()
}

func (d fileDocument) ring() (*File, error) {
	if len(d.Secret) < 32 {
		return nil, fmt.Errorf("%w: its secret is missing or short", ErrInvalidKey)
	}
	f := &File{secret: d.Secret}
	if secret, err := ParseSecret(d.Key); err == nil {
		f.signing = secret
		if f.verifying, err = NewSecretSet(secret); err != nil {
			return nil, err
		}
		f.published, err = NewSet()
		return f, err
	}
	key, err := ParsePrivate(d.Key)
	if err != nil {
		return nil, err
	}
	f.signing = key
	f.verifying, err = NewSet(key.Public())
	f.published = f.verifying
	return f, err
}

// createFile makes the file in one step, so that of two programs that start together one makes it and both read the same.
func createFile(path string) error {
	key, err := Generate(ES256)
	if err != nil {
		return err
	}
	private, err := key.MarshalPrivate()
	if err != nil {
		return err
	}
	d := fileDocument{Key: private, Secret: make([]byte, 32)}
	rand.Read(d.Secret)
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	temporary, err := os.CreateTemp(dir, ".keys-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.Write(append(text, '\n'))
	if err = errors.Join(err, temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	// A link does not replace what is there, as a rename would.
	if err := os.Link(temporary.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a new name in a folder last.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Key implements [Source].
func (f *File) Key(ctx context.Context, id string) (Key, error) { return f.verifying.Key(ctx, id) }

// SigningKey implements [Ring].
func (f *File) SigningKey(context.Context) (SigningKey, error) { return f.signing, nil }

// Published implements [Ring].
func (f *File) Published(context.Context) (*Set, error) { return f.published, nil }

// Secret implements [Ring].
func (f *File) Secret(purpose string) [32]byte {
	b, err := hkdf.Key(sha256.New, f.secret, nil, purpose, 32)
	if err != nil {
		panic(err) // only for a length that no hash can give
	}
	return [32]byte(b)
}
