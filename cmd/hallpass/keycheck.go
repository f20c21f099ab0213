package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hallpass-go/hallpass/jwk"
)

type keyCheckCommand struct {
	jsonFlag
	Source    string `arg:"" optional:"" name:"url-or-file" help:"${key_check_source}"`
	Issuer    string `env:"-" placeholder:"URL" help:"${key_check_issuer}"`
	Metadata  string `env:"-" placeholder:"URL" help:"${key_check_metadata}"`
	Algorithm string `env:"-" placeholder:"ALG" help:"${key_check_algorithm}"`
}

// Help implements kong's HelpProvider.
func (keyCheckCommand) Help() string {
	return `A verifier uses the keys whose state is "usable" and leaves the others out. For them the reason is shown.
The command exits with 1 if no key can be used.

A URL is taken to be that of a set. Give the URL of an issuer with --issuer, exactly as the issuer's
tokens have it ("iss"). Then the command reads the metadata at
/.well-known/openid-configuration (OpenID Connect Discovery) or, if there is none, at
/.well-known/oauth-authorization-server (RFC 8414), or at the URL given with --metadata. On standard
error it says which metadata it used, and where the keys are.

  hallpass key check https://issuer.example/.well-known/jwks.json
  hallpass key check keys.json --algorithm RS256
  hallpass key check --issuer https://issuer.example/realms/demo`
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
	set, err := c.read(ctx, std)
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
		return fmt.Errorf("no key of %s can be used to verify tokens", cmp.Or(c.Issuer, c.Source))
	}
	return nil
}

func (c *keyCheckCommand) read(ctx context.Context, std streams) (*jwk.Set, error) {
	options := jwk.SetOptions{Default: jwk.Algorithm(c.Algorithm), AllowSameID: true}
	config := jwk.RemoteConfig{AllowPrivate: true, Set: options, MetadataURL: c.Metadata}
	switch {
	case (c.Source == "") == (c.Issuer == ""):
		return nil, usageError{errors.New("give the URL of a set, a file, or an issuer with --issuer")}
	case c.Metadata != "" && c.Issuer == "":
		return nil, usageError{errors.New("--metadata needs --issuer")}
	case c.Issuer != "":
		return discover(ctx, std, c.Issuer, config)
	case strings.Contains(c.Source, "://"):
		remote, err := jwk.NewRemote(c.Source, config)
		if err != nil {
			return nil, usageError{err}
		}
		return remote.Current(ctx)
	}
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

// discover fetches the keys of an issuer, and says where they were found.
func discover(ctx context.Context, std streams, issuer string, config jwk.RemoteConfig) (*jwk.Set, error) {
	remote, err := jwk.Discover(issuer, config)
	if err != nil {
		return nil, usageError{err}
	}
	set, err := remote.Current(ctx)
	if err != nil {
		return nil, err
	}
	origin := remote.Origin()
	fmt.Fprintf(std.err, "Metadata: %s\nKeys: %s\n", printable(origin.MetadataURL), printable(origin.KeysURL))
	return set, nil
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
