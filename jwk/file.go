package jwk

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/hallpass-go/hallpass/internal/jose"
)

// maxFile is the largest allowed key file, in bytes.
const maxFile = 64 << 10

// File is a [Ring] with one signing key that is kept in a file, for a single server. [OpenFile]
// reads the file once. To replace the key, replace the file and restart.
type File struct {
	signing   SigningKey
	verifying *Set
	published *Set
	secret    hidden
}

// fileDocument is the content of the file: the whole signing key, and the secret from which others
// are derived.
type fileDocument struct {
	Key    json.RawMessage `json:"key"`
	Secret bytes64         `json:"secret"`
}

// OpenFile reads the ring in a file. If the file does not exist, OpenFile creates it with a new
// ES256 key; to use another key, call [CreateFile]. The file holds secrets and has mode 0600.
// OpenFile refuses a file that is a link, that others can read or that belongs to another user. An
// error about the content of the file wraps [ErrInvalidKey] or [ErrWeakKey].
func OpenFile(path string) (*File, error) {
	f, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := createDefault(path); err != nil {
			return nil, err
		}
		f, err = readFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("opening keys in %s: %w", path, err)
	}
	return f, nil
}

func createDefault(path string) error {
	key, err := Generate(ES256)
	if err != nil {
		return err
	}
	// If two programs start together, one of them makes the file and both read it.
	if err := CreateFile(path, key); !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// CreateFile writes a ring to a new file of mode 0600. The key may have any algorithm, and may be
// new or one that was used elsewhere. The file appears complete or not at all. The error wraps
// [fs.ErrExist] if the file exists.
func CreateFile(path string, key SigningKey) error {
	if err := createFile(path, key); err != nil {
		return fmt.Errorf("making keys in %s: %w", path, err)
	}
	return nil
}

func createFile(path string, key SigningKey) error {
	whole, ok := key.(interface{ MarshalPrivate() ([]byte, error) })
	if !ok {
		return errNilKey
	}
	private, err := whole.MarshalPrivate()
	if err != nil {
		return err
	}
	d := fileDocument{Key: private, Secret: make([]byte, 32)}
	rand.Read(d.Secret)
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	temporary, err := writeTemporary(path, append(text, '\n'))
	if err != nil {
		return err
	}
	defer os.Remove(temporary)
	// Unlike a rename, a link does not replace an existing file.
	if err := os.Link(temporary, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// writeTemporary writes a file of mode 0600 beside path and returns its name. After an error there is
// no such file.
func writeTemporary(path string, data []byte) (string, error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".keys-*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}

func readFile(path string) (*File, error) {
	data, err := readOwn(path, maxFile, checkPrivate)
	if err != nil {
		return nil, err
	}
	var d fileDocument
	if err := jose.DecodeJSON(data, &d); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrInvalidKey, err)
	}
	return d.ring()
}

// readOwn reads a file that passes a check of who has access to it.
func readOwn(path string, limit int64, check func(string, fs.FileInfo) error) ([]byte, error) {
	named, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !named.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: it is not a regular file; give the path of the file itself", ErrInvalidKey)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	opened, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !os.SameFile(named, opened) {
		return nil, fmt.Errorf("%w: it was replaced while it was opened", ErrInvalidKey)
	}
	if err := check(path, opened); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidKey, err)
	}
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%w: it is longer than %d bytes", ErrInvalidKey, limit)
	}
	return data, err
}

func (d fileDocument) ring() (*File, error) {
	if len(d.Secret) < 32 {
		return nil, fmt.Errorf("%w: its secret has fewer than 32 bytes", ErrInvalidKey)
	}
	key, err := readDocument(d.Key)
	if err != nil {
		return nil, err
	}
	if key.Type == "oct" {
		return d.secretRing()
	}
	private, err := ParsePrivate(d.Key)
	if err != nil {
		return nil, err
	}
	set, err := NewSet(private.Public())
	return &File{signing: private, verifying: set, published: set, secret: hide(d.Secret)}, err
}

func (d fileDocument) secretRing() (*File, error) {
	key, err := ParseSecret(d.Key)
	if err != nil {
		return nil, err
	}
	verifying, err := NewSecretSet(key)
	if err != nil {
		return nil, err
	}
	nothing, err := NewSet()
	return &File{signing: key, verifying: verifying, published: nothing, secret: hide(d.Secret)}, err
}

// Key implements [Source].
func (f *File) Key(ctx context.Context, id string) (Key, error) { return f.verifying.Key(ctx, id) }

// SigningKey implements [Ring].
func (f *File) SigningKey(context.Context) (SigningKey, error) { return f.signing, nil }

// Published implements [Ring].
func (f *File) Published(context.Context) (*Set, error) { return f.published, nil }

// Secret implements [Ring].
func (f *File) Secret(purpose string) [32]byte {
	b, err := hkdf.Key(sha256.New, f.secret(), nil, purpose, 32)
	if err != nil {
		panic(err) // only for a length that no hash can produce
	}
	return [32]byte(b)
}

// Format implements [fmt.Formatter]. It prints the signing key's name for every verb.
func (f File) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "ring of %v", f.signing) }

// LogValue implements [slog.LogValuer]. It returns the signing key's name and no secret.
func (f File) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(f)) }
