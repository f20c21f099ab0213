// Package testservers starts real servers for tests: each once for the tests of a package, on a free
// port, in a temporary folder.
package testservers

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// Run runs the tests of a package and stops the servers that they have started. It is for TestMain.
func Run(m *testing.M) (code int) {
	defer stopAll()
	return m.Run()
}

var (
	mu    sync.Mutex
	stops []func()
)

func addStop(stop func()) {
	mu.Lock()
	defer mu.Unlock()
	stops = append(stops, stop)
}

// stopAll stops the servers, the last that was started first.
func stopAll() {
	mu.Lock()
	defer mu.Unlock()
	for _, stop := range slices.Backward(stops) {
		stop()
	}
	stops = nil
}

var (
	startPostgres = sync.OnceValues(newPostgres)
	databases     atomic.Int64
)

// Postgres returns the URL of an empty database of a PostgreSQL server. The test is skipped where there
// is none, unless HALLPASS_TEST_REQUIRE names postgres.
func Postgres(t testing.TB) string {
	t.Helper()
	server, err := startPostgres()
	needs(t, err)
	db, err := sql.Open("pgx", server.URL+"/postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	name := fmt.Sprint("test", databases.Add(1))
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return server.URL + "/" + name
}

// OwnPostgres starts a server for one test, which may stop it. It has a database "postgres".
func OwnPostgres(t testing.TB) *PostgresServer {
	t.Helper()
	server, err := newPostgres()
	needs(t, err)
	return server
}

// needs skips or ends a test whose server does not start.
func needs(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case strings.Contains(","+os.Getenv("HALLPASS_TEST_REQUIRE")+",", ",postgres,"):
		t.Fatal(err)
	default:
		t.Skip(err)
	}
}

// PostgresServer is a running server.
type PostgresServer struct {
	URL string // without a database

	bin, dir string
	attr     *syscall.SysProcAttr
	process  *exec.Cmd
	ended    chan struct{} // closed when the process has ended
}

// newPostgres starts a server.
func newPostgres() (*PostgresServer, error) {
	bin, err := postgresFolder()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "hallpass-postgres-")
	if err != nil {
		return nil, err
	}
	s := &PostgresServer{bin: bin, dir: dir, attr: unprivileged(dir)}
	addStop(func() { s.Stop(); _ = os.RemoveAll(dir) })
	if out, err := s.command("initdb", "-D", s.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8",
		"--locale=C.UTF-8", "--no-sync").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	for range 5 { // somebody else may take the port
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		s.URL = "postgres://postgres@127.0.0.1:" + port
		if err = s.Start(); err == nil {
			return s, nil
		}
		fmt.Fprintf(os.Stderr, "PostgreSQL did not start on port %s: %v\n", port, err)
	}
	return nil, errors.New("PostgreSQL does not start")
}

func (s *PostgresServer) data() string { return filepath.Join(s.dir, "data") }

func (s *PostgresServer) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, program), args...)
	cmd.SysProcAttr, cmd.Dir = s.attr, s.dir
	return cmd
}

// Start starts the server and waits until it answers.
func (s *PostgresServer) Start() error {
	port := s.URL[strings.LastIndexByte(s.URL, ':')+1:]
	var log bytes.Buffer
	s.process = s.command("postgres", "-D", s.data(), "-p", port, "-h", "127.0.0.1", "-k", "", "-c", "fsync=off",
		"-c", "max_connections=1000")
	s.process.Stdout, s.process.Stderr = &log, &log
	s.ended = make(chan struct{})
	if err := s.process.Start(); err != nil {
		return err
	}
	go func(cmd *exec.Cmd, ended chan<- struct{}) { defer close(ended); _ = cmd.Wait() }(s.process, s.ended)
	err := awaitPostgres(s.URL+"/postgres", s.data(), s.ended)
	if err != nil {
		s.Stop()
		err = fmt.Errorf("%w\n%s", err, log.Bytes())
	}
	return err
}

// Stop ends the server at once, as a crash would.
func (s *PostgresServer) Stop() {
	if s.process == nil || s.process.Process == nil {
		return
	}
	_ = s.process.Process.Signal(syscall.SIGQUIT)
	<-s.ended
}

// awaitPostgres waits until the server with that data answers.
func awaitPostgres(url, data string, ended <-chan struct{}) error {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return err
	}
	defer db.Close()
	for begin := time.Now(); ; {
		var whose string
		err := db.QueryRowContext(context.Background(), "SHOW data_directory").Scan(&whose)
		switch {
		case err == nil && whose == data:
			return nil
		case err == nil:
			return fmt.Errorf("another server has the port, with %s", whose)
		case time.Since(begin) > 30*time.Second:
			return err
		}
		select {
		case <-ended:
			return errors.New("it has ended")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// postgresFolder returns where the programs of the server are: Debian keeps them out of PATH.
func postgresFolder() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	path, err := exec.LookPath("postgres")
	if err != nil {
		return "", fmt.Errorf("PostgreSQL is not installed (Debian: apt-get install postgresql): %w", err)
	}
	return filepath.Dir(path), nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
