package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hallpass-go/hallpass/internal/keyring"
	"github.com/hallpass-go/hallpass/jwk"
)

type keyCommand struct {
	List   keyListCommand   `cmd:"" help:"List the signing keys and their states."`
	Rotate keyRotateCommand `cmd:"" help:"Start to replace the active signing key."`
	Revoke keyRevokeCommand `cmd:"" help:"Remove a key at once, for example because it may have been stolen."`
	Check  keyCheckCommand  `cmd:"" help:"Show the keys that an issuer publishes, and which of them can be used."`
}

type keyRotateCommand struct {
	jsonFlag
	Algorithm string `env:"-" placeholder:"ALG" help:"Algorithm of the next key. Defaults to that of the active key."`
}

// Help implements kong's HelpProvider.
func (keyRotateCommand) Help() string {
	return `The next key is published at once and starts to sign after six minutes, when every
verifier has had time to fetch it. A running server does this by itself. The previous key stays
published for a day, until the last token that it signed has expired. No token is refused meanwhile.
If there is a next key already, the command shows it.`
}

// Run starts a rotation, which a running server completes.
func (c *keyRotateCommand) Run(ctx context.Context, all *commands, std streams) error {
	if c.Algorithm != "" {
		if err := checkAlgorithm("--algorithm", c.Algorithm); err != nil {
			return usageError{err}
		}
	}
	in, err := all.open(ctx, openOptions{mustExist: true})
	if err != nil {
		return err
	}
	defer in.Close()
	next, err := in.keys.Rotate(ctx, jwk.Algorithm(c.Algorithm))
	if err != nil {
		return err
	}
	if c.Algorithm != "" && c.Algorithm != string(next.Algorithm) {
		return fmt.Errorf(
			"a rotation to another %s key is under way already: wait for its end, or hallpass key revoke %s first",
			next.Algorithm,
			next.ID,
		)
	}
	return printKeys(std, c.JSON, next)
}

type keyRevokeCommand struct {
	jsonFlag
	ID string `arg:"" name:"kid" help:"ID of the key, as shown by hallpass key list."`
}

// Help implements kong's HelpProvider.
func (keyRevokeCommand) Help() string {
	return `From now on, every access token that the key signed is refused: by this server within a
second, and by other verifiers when they fetch the keys again, at most five minutes later. Sessions
continue, because a refresh returns a token signed with another key. If the key is the active one, a
new key replaces it at once. Other verifiers fetch the new key when they see its ID in a token.`
}

// Run removes a key.
func (c *keyRevokeCommand) Run(ctx context.Context, all *commands, std streams) error {
	in, err := all.open(ctx, openOptions{mustExist: true})
	if err != nil {
		return err
	}
	defer in.Close()
	dropped, err := in.keys.Revoke(ctx, c.ID)
	if errors.Is(err, keyring.ErrNoSuchKey) {
		return fmt.Errorf("no key has the ID %s: hallpass key list shows them", printable(c.ID))
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(
		std.err,
		"Key %s, which was %s, is gone: the tokens that it signed are refused, and their sessions refresh.\n",
		dropped.ID,
		dropped.State,
	)
	keys, err := in.keys.List(ctx)
	if err != nil {
		return err
	}
	return printKeys(std, c.JSON, keys...)
}

type keyListCommand struct{ jsonFlag }

type keyRow struct {
	ID        string     `json:"kid"`
	Algorithm string     `json:"alg"`
	State     string     `json:"state"`
	CreatedAt time.Time  `json:"created_at"`
	RetiredAt *time.Time `json:"retired_at"`
}

func newKeyRow(k keyring.KeyInfo) keyRow {
	row := keyRow{ID: k.ID, Algorithm: string(k.Algorithm), State: string(k.State), CreatedAt: k.CreatedAt}
	if !k.RetiredAt.IsZero() {
		row.RetiredAt = &k.RetiredAt
	}
	return row
}

func (c *keyListCommand) Run(ctx context.Context, all *commands, std streams) error {
	in, err := all.open(ctx, openOptions{mustExist: true})
	if err != nil {
		return err
	}
	defer in.Close()
	keys, err := in.keys.List(ctx)
	if err != nil {
		return err
	}
	return printKeys(std, c.JSON, keys...)
}

func printKeys(std streams, asJSON bool, keys ...keyring.KeyInfo) error {
	if asJSON {
		return printJSONLines(std.out, keys, func(k keyring.KeyInfo) any { return newKeyRow(k) })
	}
	table := newTable(std.out, "KID", "ALGORITHM", "STATE", "CREATED")
	for _, k := range keys {
		table.row(k.ID, string(k.Algorithm), string(k.State), k.CreatedAt.Format(time.RFC3339))
	}
	return table.flush()
}
