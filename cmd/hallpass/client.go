package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass/internal/clients"
)

type clientCommand struct {
	Add     clientAddCommand     `cmd:"" help:"Create a machine client and print its secret, this once."`
	List    clientListCommand    `cmd:"" help:"List the machine clients."`
	Rotate  clientRotateCommand  `cmd:"" help:"Give a machine client another secret and print it, this once."`
	Disable clientDisableCommand `cmd:"" help:"Refuse a machine client, and end its tokens."`
	Enable  clientEnableCommand  `cmd:"" help:"Accept a disabled machine client again."`
	Delete  clientDeleteCommand  `cmd:"" help:"Delete a machine client and end its tokens."`
}

// clientArgument names a client.
type clientArgument struct {
	Client string `arg:"" help:"ID or name."`
}

type clientAddCommand struct {
	jsonFlag
	Name  string   `arg:"" help:"Name, by which the other commands know it, too."`
	Scope []string `env:"-" placeholder:"SCOPE" help:"Scope that its tokens may have; can be repeated."`
}

// Help implements kong's HelpProvider.
func (clientAddCommand) Help() string {
	return `A machine client is a program that gets access tokens for itself at /v1/token, and that may ask
about tokens at /v1/introspect. It authenticates with its ID and its secret. The secret is stored as a
hash only: keep it now, or rotate it later.`
}

// Run makes a client.
func (c *clientAddCommand) Run(ctx context.Context, all *commands, std streams) error {
	in, err := all.open(ctx, openOptions{})
	if err != nil {
		return err
	}
	defer in.Close()
	service, err := in.clientService()
	if err != nil {
		return err
	}
	client, secret, err := service.Create(ctx, c.Name, c.Scope)
	if err != nil {
		return explainClient(err)
	}
	return printSecret(std.out, c.JSON, client, secret)
}

type clientListCommand struct{ jsonFlag }

func (c *clientListCommand) Run(ctx context.Context, all *commands, std streams) error {
	in, err := all.open(ctx, openOptions{mustExist: true})
	if err != nil {
		return err
	}
	defer in.Close()
	var list []clients.Client
	for after := ""; ; after = list[len(list)-1].ID {
		some, err := in.clients.List(ctx, after, listBatch)
		if err != nil {
			return err
		}
		list = append(list, some...)
		if len(some) < listBatch {
			return printClients(std.out, c.JSON, list...)
		}
	}
}

type clientRotateCommand struct {
	clientArgument
	jsonFlag
	Overlap time.Duration `env:"-" default:"0s" help:"${client_overlap} Default: ${default}."`
}

// Run replaces the secret of a client.
func (c *clientRotateCommand) Run(ctx context.Context, all *commands, std streams) error {
	if c.Overlap < 0 || c.Overlap > clients.MaxOverlap {
		return usageError{fmt.Errorf("--overlap: %v is not between 0 and 720h, which is 30 days", c.Overlap)}
	}
	return c.change(ctx, all, func(service *clients.Service, client clients.Client) error {
		client, secret, err := service.Rotate(ctx, client.ID, c.Overlap)
		if err != nil {
			return err
		}
		return printSecret(std.out, c.JSON, client, secret)
	})
}

type clientDisableCommand struct {
	clientArgument
	jsonFlag
}

func (c *clientDisableCommand) Run(ctx context.Context, all *commands, std streams) error {
	return c.change(ctx, all, func(service *clients.Service, client clients.Client) error {
		client, err := service.Disable(ctx, client.ID)
		if err != nil {
			return err
		}
		return printClients(std.out, c.JSON, client)
	})
}

type clientEnableCommand struct {
	clientArgument
	jsonFlag
}

func (c *clientEnableCommand) Run(ctx context.Context, all *commands, std streams) error {
	return c.change(ctx, all, func(service *clients.Service, client clients.Client) error {
		client, err := service.Enable(ctx, client.ID)
		if err != nil {
			return err
		}
		return printClients(std.out, c.JSON, client)
	})
}

type clientDeleteCommand struct {
	clientArgument
	jsonFlag
}

func (c *clientDeleteCommand) Run(ctx context.Context, all *commands, std streams) error {
	return c.change(ctx, all, func(service *clients.Service, client clients.Client) error {
		if err := service.Delete(ctx, client.ID); err != nil {
			return err
		}
		return printClients(std.out, c.JSON, client)
	})
}

// change finds the client and calls do.
func (a clientArgument) change(
	ctx context.Context, all *commands, do func(*clients.Service, clients.Client) error,
) error {
	in, err := all.open(ctx, openOptions{mustExist: true})
	if err != nil {
		return err
	}
	defer in.Close()
	service, err := in.clientService()
	if err != nil {
		return err
	}
	client, err := in.clients.Find(ctx, a.Client)
	if errors.Is(err, clients.ErrNotFound) {
		return fmt.Errorf("there is no client %q: hallpass client list shows those there are", a.Client)
	}
	if err != nil {
		return err
	}
	return explainClient(do(service, client))
}

// clientService returns a service that changes clients and ends their tokens like the server. A
// running server sees the changes within a second.
func (in *installation) clientService() (*clients.Service, error) {
	issuer, err := in.issuer()
	return clients.New(clients.Config{Registry: in.clients, Issuer: issuer}), err
}

// explainClient says in full sentences what is wrong with a client.
func explainClient(err error) error {
	if errors.Is(err, clients.ErrNameTaken) {
		return errors.New("another client has this name: hallpass client list shows it")
	}
	return err
}

type clientRow struct {
	ID                string     `json:"id"`
	Name              string     `json:"name"`
	Scopes            []string   `json:"scopes"`
	Disabled          bool       `json:"disabled"`
	CreatedAt         time.Time  `json:"created_at"`
	SecretMadeAt      time.Time  `json:"secret_created_at"`
	PreviousExpiresAt *time.Time `json:"previous_secret_expires_at"`
	Secret            string     `json:"client_secret,omitempty"`
}

func newClientRow(c clients.Client) clientRow {
	row := clientRow{
		ID: c.ID, Name: c.Name, Scopes: c.Scopes, Disabled: c.Disabled, CreatedAt: c.CreatedAt,
		SecretMadeAt: c.SecretMadeAt,
	}
	if !c.PreviousExpiresAt.IsZero() {
		row.PreviousExpiresAt = &c.PreviousExpiresAt
	}
	return row
}

func printClients(w io.Writer, asJSON bool, list ...clients.Client) error {
	if asJSON {
		return printJSONLines(w, list, func(c clients.Client) any { return newClientRow(c) })
	}
	table := newTable(w, "ID", "NAME", "STATE", "CREATED", "SECRET SINCE", "SCOPES")
	for _, c := range list {
		state := "enabled"
		if c.Disabled {
			state = "disabled"
		}
		table.row(c.ID, c.Name, state, c.CreatedAt.Format(time.RFC3339), c.SecretMadeAt.Format(time.RFC3339),
			strings.Join(c.Scopes, " "))
	}
	return table.flush()
}

// printSecret prints a client with its secret.
func printSecret(w io.Writer, asJSON bool, c clients.Client, secret string) error {
	if asJSON {
		row := newClientRow(c)
		row.Secret = secret
		return json.NewEncoder(w).Encode(row)
	}
	table := newTable(w, "CLIENT ID", "CLIENT SECRET (shown only now)")
	table.row(c.ID, secret)
	return table.flush()
}
