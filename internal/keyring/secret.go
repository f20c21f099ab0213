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

const maxSecretFile = 1024 // in bytes; a secret file is never longer

// LoadSecret returns the 32 bytes that the file at path holds as hexadecimal text. If the file does
// not exist, LoadSecret creates it with mode 0600 and random bytes. If several programs do this at
// the same time, they all return the same bytes.
//
// LoadSecret refuses a file that others may read or write, that belongs to another user, that is a
// symbolic link or that contains anything but a secret. The error says what to do.
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

// ParseSecret returns the secret in text, which must be 64 hexadecimal digits, possibly with white
// space around them. It is for secrets that do not come from a file of [LoadSecret]. Its errors
// reveal nothing about the text.
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

// repeats detects a file that was filled with one byte instead of random bytes.
func repeats(secret []byte) bool {
	for _, b := range secret {
		if b != secret[0] {
			return false
		}
	}
	return true
}

// readSecret reads the secret file. Its error wraps [fs.ErrNotExist] only if there is no file.
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

// readPrivate reads a small file that only its owner can access. It checks the opened file, and
// that the path is not a link to it.
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

// notMissing prevents a file that vanished between two steps from looking like one that never
// existed.
func notMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New(err.Error())
	}
	return err
}

// createSecret creates the file completely or not at all. It appears under its name once it is on
// the disk, and never replaces another file.
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
