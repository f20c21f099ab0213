package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass/internal/audit"
	"github.com/hallpass-go/hallpass/internal/clients"
	"github.com/hallpass-go/hallpass/internal/uid"
)

type auditCommand struct {
	jsonFlag
	User    string `env:"-" placeholder:"USER" help:"Only what concerns this user or machine client."`
	Actor   string `env:"-" placeholder:"USER" help:"Only what this user did to others."`
	Session string `env:"-" placeholder:"ID" help:"Only what concerns this session."`
	Event   string `env:"-" placeholder:"NAME" help:"Only events with this name, such as login_failed."`
	Since   string `env:"-" placeholder:"TIME" help:"${audit_since}"`
	Limit   int    `env:"-" short:"n" default:"50" placeholder:"N" help:"The latest entries only. Default: ${default}."`
	Follow  bool   `env:"-" short:"f" help:"Go on and print new entries until interrupted."`
}

// Help implements kong's HelpProvider.
func (auditCommand) Help() string {
	return `Each entry was written in the transaction of what it tells of: neither is there without the
other. Entries are kept for the --audit-retention of hallpass serve. What was done by this program on
the command line has the actor "command line".

  hallpass audit --event login_failed --since 1h
  hallpass audit --user alice --follow --json`
}

// Run prints what happened, oldest first.
func (c *auditCommand) Run(ctx context.Context, all *commands, std streams) error {
	if c.Limit < 0 {
		return usageError{errors.New("--limit is negative")}
	}
	filter := audit.Filter{SessionID: c.Session, Event: c.Event}
	var err error
	if filter.Since, err = parseSince(c.Since, time.Now()); err != nil {
		return usageError{err}
	}
	in, err := all.open(ctx, openOptions{mustExist: true})
	if err != nil {
		return err
	}
	defer in.Close()
	if filter.UserID, err = in.userID(ctx, c.User); err != nil {
		return err
	}
	if filter.ActorID, err = in.userID(ctx, c.Actor); err != nil {
		return err
	}
	f := follower{log: in.audit, filter: filter, asJSON: c.JSON, out: std.out, seen: map[int64]bool{}}
	if c.Follow {
		if err := f.begin(ctx); err != nil {
			return err
		}
	}
	entries, err := in.audit.Before(ctx, filter, 0, c.Limit)
	if err != nil {
		return err
	}
	slices.Reverse(entries)
	if err := f.print(entries); err != nil || !c.Follow {
		return err
	}
	return f.follow(ctx)
}

const (
	// followInterval is how often new entries are looked for.
	followInterval = 500 * time.Millisecond
	// followOverlap is how many IDs are looked at again. On PostgreSQL an entry can appear after one
	// with a higher ID, whose transaction was shorter.
	followOverlap = 1000
)

// follower prints entries as they appear, each once.
type follower struct {
	log    *audit.Log
	filter audit.Filter
	asJSON bool
	out    io.Writer

	last int64          // the highest ID
	seen map[int64]bool // the IDs of the overlap that need not be printed
}

// begin takes what is there now as seen.
func (f *follower) begin(ctx context.Context) error {
	newest, err := f.log.Before(ctx, audit.Filter{}, 0, followOverlap)
	if err == nil {
		f.see(newest)
	}
	return err
}

func (f *follower) see(entries []audit.Entry) {
	for _, e := range entries {
		f.last = max(f.last, e.ID)
		f.seen[e.ID] = true
	}
	maps.DeleteFunc(f.seen, func(id int64, _ bool) bool { return id <= f.last-followOverlap })
}

// print prints entries and takes them as seen.
func (f *follower) print(entries []audit.Entry) error {
	f.see(entries)
	return printAudit(f.out, f.asJSON, entries)
}

// follow prints new entries until ctx ends.
func (f *follower) follow(ctx context.Context) error {
	for {
		entries, err := f.log.After(ctx, f.filter, f.last-followOverlap, followOverlap+listBatch)
		if ctx.Err() != nil {
			return nil // interrupted, as it is meant to end
		}
		if err != nil {
			return err
		}
		more := len(entries) == followOverlap+listBatch
		entries = slices.DeleteFunc(entries, func(e audit.Entry) bool { return f.seen[e.ID] })
		if err := f.print(entries); err != nil {
			return err
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followInterval):
		}
	}
}

// userID returns the ID of the user or machine client that text names. An ID need not be a user's: they
// may have been deleted.
func (in *installation) userID(ctx context.Context, text string) (string, error) {
	if text == "" || text == commandLine || uid.Shaped(text) {
		return text, nil
	}
	if strings.HasPrefix(text, clients.IDPrefix) { // a machine client is the subject of its own events
		return text, nil
	}
	user, err := in.findUser(ctx, text)
	if err != nil {
		if client, notFound := in.clients.Find(ctx, text); notFound == nil {
			return client.ID, nil
		}
	}
	return user.ID, err
}

// parseSince reads a time, or how long ago it was.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return now.Add(-ago), nil
	}
	since, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("--since: %q is neither a time like 2006-01-02T15:04:05Z nor like 24h", text)
	}
	return since, nil
}

type auditRow struct {
	ID        int64     `json:"id"`
	At        time.Time `json:"at"`
	Event     string    `json:"event"`
	UserID    string    `json:"user_id,omitempty"`
	ActorID   string    `json:"actor_id,omitempty"`
	SessionID string    `json:"session_id,omitempty"`
	TokenID   string    `json:"token_id,omitempty"`
	KeyID     string    `json:"key_id,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Detail    string    `json:"detail,omitempty"`
	IP        string    `json:"ip,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
}

// word returns s as one word, in quotes if need be.
func word(s string) string {
	if strings.ContainsAny(s, ` "=`) || s != printable(s) {
		return strconv.Quote(s)
	}
	return s
}

// printAudit prints one line for each entry: the first fields are there always, the others have
// their names before them.
func printAudit(w io.Writer, asJSON bool, entries []audit.Entry) error {
	if asJSON {
		return printJSONLines(w, entries, func(e audit.Entry) any { return auditRow(e) })
	}
	for _, e := range entries {
		line := e.At.Format(time.RFC3339) + " " + e.Event
		for _, f := range []struct{ name, value string }{
			{"user", e.UserID}, {"actor", e.ActorID}, {"session", e.SessionID}, {"token", e.TokenID}, {"key", e.KeyID},
			{"reason", e.Reason}, {"detail", e.Detail}, {"ip", e.IP}, {"request", e.RequestID},
		} {
			if f.value != "" {
				line += " " + f.name + "=" + word(f.value)
			}
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
