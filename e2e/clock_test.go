package e2e

import (
	"cmp"
	"context"
	"flag"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	_ "modernc.org/sqlite"

	accounts "github.com/hallpass-go/hallpass/internal/account"
	"github.com/hallpass-go/hallpass/internal/audit"
	"github.com/hallpass-go/hallpass/internal/keyring"
	api "github.com/hallpass-go/hallpass/internal/server"
	"github.com/hallpass-go/hallpass/internal/sessiondb"
	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/password"
)

// aheadVariable makes the test's own program a server whose clock is ahead by its value. The
// command line has no such setting, and a Go program's clock is not the C library's, which could be
// led astray.
const aheadVariable = "HALLPASS_E2E_CLOCK_AHEAD"

// replicaAhead returns what starts another server on the same data, with its clock ahead. Of the
// arguments it is told those that serveAhead knows.
func (s *server) replicaAhead(ahead time.Duration) func(...string) *server {
	return func(more ...string) *server {
		s.t.Helper()
		program, err := os.Executable()
		if err != nil {
			s.t.Fatal(err)
		}
		r := &server{
			t: s.t, program: program, env: append(slices.Clone(s.env), aheadVariable+"="+ahead.String()), data: s.data,
			args: slices.Concat([]string{"--issuer", s.URL}, s.args, more), log: &lockedBuffer{},
		}
		r.start()
		s.t.Cleanup(r.kill)
		return r
	}
}

// serveAhead is hallpass serve with a clock that is ahead. It ends when it is killed.
func serveAhead() {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := serveWithClock(log); err != nil {
		log.Error("serving", "err", err)
		os.Exit(1)
	}
}

func serveWithClock(log *slog.Logger) error {
	ahead, err := time.ParseDuration(os.Getenv(aheadVariable))
	if err != nil {
		return err
	}
	now := func() time.Time { return time.Now().Add(ahead) }
	c := api.Config{Log: log, Now: now}
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	address, data := flags.String("addr", "", ""), flags.String("data", "", "")
	flags.StringVar(&c.Issuer, "issuer", "", "")
	flags.DurationVar(&c.AccessTTL, "access-ttl", 0, "")
	flags.DurationVar(&c.RefreshGrace, "refresh-grace", 0, "")
	for _, other := range []string{ // what a server of these packages does unless it is told otherwise
		"log-level", "max-sessions", "login-limit-account", "login-limit-address", "signup-limit",
		"rename-limit", "refresh-limit", "request-limit-user",
	} {
		flags.String(other, "", "")
	}
	if err := flags.Parse(os.Args[2:]); err != nil { // after "serve"
		return err
	}
	ctx := context.Background()
	url := cmp.Or(os.Getenv("HALLPASS_DB"), "sqlite:"+filepath.Join(*data, "hallpass.db"))
	db, err := sqldb.Open(ctx, url)
	if err != nil {
		return err
	}
	c.Ping = db.Ping
	if c.Audit, err = audit.Open(ctx, db); err != nil {
		return err
	}
	record := api.RecordEvents(c.Audit, now)
	c.Keys, err = keyring.Open(ctx, keyring.Config{
		DB: db, SecretFile: filepath.Join(*data, "secret"), Now: now,
		Record: func(ctx context.Context, key keyring.KeyInfo) error { return record(ctx, api.KeyEvent(ctx, key)) },
	})
	if err != nil {
		return err
	}
	if c.Store, err = sessiondb.New(ctx, db); err != nil {
		return err
	}
	governor, err := password.NewGovernor(password.GovernorConfig{})
	if err != nil {
		return err
	}
	c.Accounts, err = accounts.New(ctx, accounts.Config{DB: db, Passwords: governor, Now: now})
	if err != nil {
		return err
	}
	return listenAndServe(ctx, c, *address)
}

func listenAndServe(ctx context.Context, c api.Config, address string) error {
	s, err := api.New(ctx, c)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	go s.Run(ctx)
	return s.HTTPServer().Serve(listener)
}
