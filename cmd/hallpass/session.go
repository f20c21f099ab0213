package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hallpass-go/hallpass"
)

type sessionCommand struct {
	List   sessionListCommand   `cmd:"" help:"List the live sessions of a user."`
	Revoke sessionRevokeCommand `cmd:"" help:"End one session, all sessions of a user, or all sessions."`
}

type sessionListCommand struct {
	userArgument
	jsonFlag
}

func (c *sessionListCommand) Run(ctx context.Context, all *commands, std streams) error {
	in, err := all.open(ctx, openOptions{mustExist: true})
	if err != nil {
		return err
	}
	defer in.Close()
	user, err := in.findUser(ctx, c.User)
	if err != nil {
		return err
	}
	var rows []sessionRow
	for after := ""; ; after = rows[len(rows)-1].ID {
		some, err := in.store.Sessions(ctx, user.ID, time.Now(), after, listBatch)
		if err != nil {
			return err
		}
		for _, s := range some {
			rows = append(rows, sessionRow{
				s.ID, s.Subject, s.CreatedAt, s.LastUsedAt, s.ExpiresAt(), s.Client.IP, s.Client.UserAgent,
			})
		}
		if len(some) < listBatch {
			return printSessions(std.out, c.JSON, rows)
		}
	}
}

type sessionRow struct {
	ID         string    `json:"id"`
	UserID     string    `json:"user_id"`
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	IP         string    `json:"ip"`
	UserAgent  string    `json:"user_agent"`
}

func printSessions(w io.Writer, asJSON bool, rows []sessionRow) error {
	if asJSON {
		return printJSONLines(w, rows, func(row sessionRow) any { return row })
	}
	table := newTable(w, "ID", "CREATED", "LAST USED", "EXPIRES", "IP", "USER AGENT")
	for _, row := range rows {
		table.row(row.ID, row.CreatedAt.Format(time.RFC3339), row.LastUsedAt.Format(time.RFC3339),
			row.ExpiresAt.Format(time.RFC3339), row.IP, row.UserAgent)
	}
	return table.flush()
}

type sessionRevokeCommand struct {
	ID   string `arg:"" optional:"" help:"ID of the session."`
	User string `env:"-" placeholder:"USER" help:"End every session of this user, given by ID or user name."`
	All  bool   `env:"-" help:"${session_revoke_all}"`
}

func (c *sessionRevokeCommand) Run(ctx context.Context, all *commands, std streams) error {
	named := 0
	for _, given := range []bool{c.ID != "", c.User != "", c.All} {
		if given {
			named++
		}
	}
	if named != 1 {
		return usageError{errors.New("name a session, or a user with --user, or everybody with --all")}
	}
	in, err := all.open(ctx, openOptions{mustExist: true})
	if err != nil {
		return err
	}
	defer in.Close()
	issuer, err := in.issuer()
	if err != nil {
		return err
	}
	if c.All {
		ended, err := issuer.RevokeAll(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(std.out, "Ended every session of everybody: %d. No token made until now is accepted.\n", ended)
		return nil
	}
	if c.User != "" {
		user, err := in.findUser(ctx, c.User)
		if err != nil {
			return err
		}
		if err := issuer.RevokeSubject(ctx, user.ID); err != nil {
			return err
		}
		fmt.Fprintf(std.out, "Ended every session of %s.\n", printable(user.Username))
		return nil
	}
	if _, err := issuer.Session(ctx, c.ID); errors.Is(err, hallpass.ErrNotFound) {
		return fmt.Errorf("there is no session %q: hallpass session list USER shows those there are", c.ID)
	} else if err != nil {
		return err
	}
	if err := issuer.RevokeSession(ctx, c.ID); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "Ended session %s.\n", c.ID)
	return nil
}
