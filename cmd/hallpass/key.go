package main

import (
	"context"
	"time"

	"github.com/hallpass-go/hallpass/internal/keyring"
)

type keyCommand struct {
	List keyListCommand `cmd:"" help:"List the signing keys and their states."`
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
	if c.JSON {
		return printJSONLines(std.out, keys, func(k keyring.KeyInfo) any { return newKeyRow(k) })
	}
	table := newTable(std.out, "KID", "ALGORITHM", "STATE", "CREATED")
	for _, k := range keys {
		table.row(k.ID, string(k.Algorithm), string(k.State), k.CreatedAt.Format(time.RFC3339))
	}
	return table.flush()
}
