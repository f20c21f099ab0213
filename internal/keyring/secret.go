package keyring

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// SecretSize is the length of the secret in bytes.
const SecretSize = 32

const maxSecretFile = 1024 // bytes; more is not a secret of ours

// LoadSecret returns the 32 bytes that the file at path holds as hexadecimal text. When there is no
// such file it makes one, of mode 0600 with random bytes; of several programs that do so at one
// time all return the same bytes.
//
// It refuses a file that others than its owner may read or write, that belongs to somebody else,
// that is a symbolic link or that holds anything but a secret, and says what to do.
func LoadSecret(path string) ([]byte, error) {
	secret, err := readSecret(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	if err := createSecret(path); err != nil {
		return nil, fmt.Errorf("creating secret file: %w", err)
	}
	return readSecret(path)
}

// ParseSecret returns the secret that text holds: 64 hexadecimal digits, and blanks around them. It
// is for secrets that come from elsewhere than a file of [LoadSecret]. Its errors tell nothing of
// the text.
func ParseSecret(text string) ([]byte, error) {
	secret, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(secret) != SecretSize {
		return nil, fmt.Errorf(
			"a secret is %d hexadecimal digits, as `openssl rand -hex %d` prints",
			2*SecretSize,
			SecretSize,
		)
	}
	if repeats(secret) {
		return nil, errors.New("the secret is one byte over and over; make one with `openssl rand -hex 32`")
	}
	return secret, nil
}

// repeats finds the file that was filled instead of made.
func repeats(secret []byte) bool {
	for _, b := range secret {
		if b != secret[0] {
			return false
		}
	}
	return true
}

// readSecret fails with [fs.ErrNotExist] when there is no file, and only then.
func readSecret(path string) ([]byte, error) {
	text, err := readPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("reading secret file: %w", err)
	}
	defer clear(text)
	secret, err := ParseSecret(string(text))
	if err != nil {
		return nil, fmt.Errorf(
			"reading secret file: %s: %w; restore the file, or delete it if no key was made with it",
			path,
			err,
		)
	}
	return secret, nil
}

// readPrivate reads a small file that only its owner can. What is checked is the file that was
// opened, and that the path leads to it without a link.
func readPrivate(path string) ([]byte, error) {
	named, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !named.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file: put the file itself there, no link", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, notMissing(err)
	}
	defer f.Close()
	opened, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !os.SameFile(named, opened) {
		return nil, fmt.Errorf("%s was replaced while it was read; try again", path)
	}
	if err := checkPrivate(path, opened); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err == nil && len(text) > maxSecretFile {
		err = fmt.Errorf("%s has more than %d bytes, so it is no secret", path, maxSecretFile)
	}
	return text, err
}

// notMissing keeps a file that vanished between two looks from being taken for one that never was.
func notMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New(err.Error())
	}
	return err
}

// createSecret makes the file whole or not at all: it appears under its name once it is on the
// disk, and never takes the place of another.
func createSecret(path string) (err error) {
	var secret [SecretSize]byte
	rand.Read(secret[:]) // never fails: crypto/rand ends the program instead
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".secret-*") // of mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = fmt.Fprintf(f, "%x\n", secret)
	clear(secret[:])
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}
