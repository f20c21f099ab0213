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
	if err != nil {
		if strings.Contains(","+os.Getenv("HALLPASS_TEST_REQUIRE")+",", ",postgres,") {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	db, err := sql.Open("pgx", server+"/postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	name := fmt.Sprint("test", databases.Add(1))
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return server + "/" + name
}

// newPostgres starts a server and returns its URL without a database.
func newPostgres() (url string, err error) {
	bin, err := postgresFolder()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "hallpass-postgres-")
	if err != nil {
		return "", err
	}
	addStop(func() { _ = os.RemoveAll(dir) })
	data, asNobody := filepath.Join(dir, "data"), unprivileged(dir)
	command := func(program string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, program), args...)
		cmd.SysProcAttr, cmd.Dir = asNobody, dir
		return cmd
	}
	if out, err := command("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
		"--locale=C.UTF-8", "--no-sync").CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w\n%s", err, out)
	}
	for range 5 { // somebody else may take the port
		port, err := freePort()
		if err != nil {
			return "", err
		}
		var log bytes.Buffer
		server := command("postgres", "-D", data, "-p", port, "-h", "127.0.0.1", "-k", "", "-c", "fsync=off",
			"-c", "max_connections=1000")
		server.Stdout, server.Stderr = &log, &log
		if err := server.Start(); err != nil {
			return "", err
		}
		ended := make(chan struct{})
		go func() { defer close(ended); _ = server.Wait() }()
		url = "postgres://postgres@127.0.0.1:" + port
		if err = awaitPostgres(url+"/postgres", data, ended); err == nil {
			addStop(func() { _ = server.Process.Signal(syscall.SIGQUIT); <-ended }) // at once
			return url, nil
		}
		_ = server.Process.Kill()
		<-ended
		fmt.Fprintf(os.Stderr, "PostgreSQL did not start on port %s: %v\n%s", port, err, log.Bytes())
	}
	return "", errors.New("PostgreSQL does not start")
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
