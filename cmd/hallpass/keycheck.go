package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/hallpass-go/hallpass/jwk"
)

type keyCheckCommand struct {
	jsonFlag
	Source    string `arg:"" name:"url-or-file" help:"URL of a JWK set (RFC 7517), or a file that holds one."`
	Algorithm string `env:"-" placeholder:"ALG" help:"${key_check_algorithm}"`
}

// Help implements kong's HelpProvider.
func (keyCheckCommand) Help() string {
	return `A verifier uses the keys whose state is "usable" and leaves the others out. For them the reason is shown.
The command exits with 1 if no key can be used.

  hallpass key check https://issuer.example/.well-known/jwks.json
  hallpass key check keys.json --algorithm RS256`
}

// checkedKey is a key of a set, as it is shown.
type checkedKey struct {
	ID        string `json:"kid"`
	Algorithm string `json:"alg,omitempty"`
	Usable    bool   `json:"usable"`
	Why       string `json:"why,omitempty"` // it cannot be used
}

// Run needs no installation.
func (c *keyCheckCommand) Run(ctx context.Context, std streams) error {
	set, err := c.read(ctx)
	if err != nil {
		return err
	}
	var keys []checkedKey
	for _, k := range set.Keys() {
		keys = append(keys, checkedKey{ID: k.ID(), Algorithm: string(k.Algorithm()), Usable: true})
	}
	for _, k := range set.Skipped() {
		why := strings.TrimPrefix(k.Err.Error(), jwk.ErrInvalidKey.Error()+": ")
		keys = append(keys, checkedKey{ID: k.KeyID, Why: why})
	}
	if err := printCheckedKeys(std, c.JSON, keys); err != nil {
		return err
	}
	if len(set.Keys()) == 0 {
		return fmt.Errorf("no key of %s can be used to verify tokens", c.Source)
	}
	return nil
}

func (c *keyCheckCommand) read(ctx context.Context) (*jwk.Set, error) {
	options := jwk.SetOptions{Default: jwk.Algorithm(c.Algorithm), AllowSameID: true}
	if !strings.Contains(c.Source, "://") {
		text, err := os.ReadFile(c.Source)
		if err != nil {
			return nil, fmt.Errorf("reading the keys: %w", err)
		}
		set, err := options.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("reading the keys in %s: %w", c.Source, err)
		}
		return set, nil
	}
	remote, err := jwk.NewRemote(c.Source, jwk.RemoteConfig{AllowPrivate: true, Set: options})
	if err != nil {
		return nil, usageError{err}
	}
	return remote.Current(ctx)
}

func printCheckedKeys(std streams, asJSON bool, keys []checkedKey) error {
	if asJSON {
		return printJSONLines(std.out, keys, func(k checkedKey) any { return k })
	}
	table := newTable(std.out, "KID", "ALGORITHM", "STATE")
	for _, k := range keys {
		state := "usable"
		if !k.Usable {
			state = "left out: " + k.Why
		}
		table.row(k.ID, k.Algorithm, state)
	}
	return table.flush()
}
