package sqldb_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/sqldb"
	"github.com/hallpass-go/hallpass/internal/testservers"
)

// childURL is an environment variable that makes the test program the child of a test. It is the
// URL of the database to write to.
const childURL = "SQLDB_TEST_CHILD_URL"

func TestMain(m *testing.M) {
	if url := os.Getenv(childURL); url != "" {
		if err := child(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(testservers.Run(m))
}

// child writes rows until its input ends, and prints the id of each row once it is durable.
func child(url string) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	db, err := sqldb.Open(context.Background(), url)
	if err != nil {
		return err
	}
	for id := 1_000_000; ; id++ {
		select {
		case <-ended:
			return db.Close()
		default:
		}
		err := db.Write(context.Background(), func(tx *sqldb.Tx) error { return insert(tx, id) })
		if err != nil {
			return err
		}
		fmt.Println(id)
	}
}

// start starts the child. The ids of its rows can be read from acknowledged.
func start(t *testing.T, url string) (command *exec.Cmd, stdin io.Closer, acknowledged *bufio.Scanner) {
	t.Helper()
	command = exec.Command(os.Args[0])
	command.Env = append(os.Environ(), childURL+"="+url)
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	return command, input, bufio.NewScanner(output)
}

func TestWrite_survivesAKill(t *testing.T) {
	db, url := open(t)
	for round := range 5 {
		write(t, db, "DELETE FROM counters WHERE id >= 1000000")
		command, _, acknowledged := start(t, url)
		last := 0
		for acknowledged.Scan() {
			id, err := strconv.Atoi(acknowledged.Text())
			if err != nil {
				break // incomplete because of the kill
			}
			if last = id; id == 1_000_020+round*7 {
				_ = command.Process.Kill()
			}
		}
		_ = command.Wait()
		want := last - 1_000_000 + 1
		if got := count(t, db, "SELECT count(*) FROM counters WHERE id BETWEEN 1000000 AND ?", last); got != want ||
			want < 20 {
			t.Errorf("round %d: %d rows, want the %d that were acknowledged", round, got, want)
		}
	}
}

// TestWrite_twoProcesses checks that another process makes progress while this one writes without a
// pause.
func TestWrite_twoProcesses(t *testing.T) {
	db, url := open(t)
	command, stdin, acknowledged := start(t, url)
	stop := make(chan struct{})
	result := make(chan error, 16)
	for i := range 16 {
		go func() {
			for {
				select {
				case <-stop:
					result <- nil
					return
				default:
				}
				if err := add(context.Background(), db, i); err != nil {
					result <- err
					return
				}
			}
		}()
	}
	longest, written, last, begun := time.Duration(0), 0, time.Now(), time.Now()
	for time.Since(begun) < 2*time.Second && acknowledged.Scan() {
		longest = max(longest, time.Since(last))
		last = time.Now()
		written++
	}
	close(stop)
	for range 16 {
		if err := <-result; err != nil {
			t.Errorf("this process: %v", err)
		}
	}
	_ = stdin.Close()
	for acknowledged.Scan() {
	}
	if err := command.Wait(); err != nil {
		t.Errorf("the other process: %v", err)
	}
	t.Logf("the other process wrote %d rows; it waited for %v at most; this one %d",
		written, longest.Round(time.Millisecond), count(t, db, "SELECT sum(n) FROM counters"))
	if written == 0 {
		t.Error("the other process wrote nothing")
	}
}
