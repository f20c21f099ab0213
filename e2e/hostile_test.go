//go:build linux

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// resident is how much memory the server has, in MiB.
func (s *server) resident() int {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		s.t.Fatal(err)
	}
	return kib >> 10
}

// latencies sends n GETs of a caller, 500 a second on one connection, and returns how long each
// took, shortest first.
func (s *server) latencies(token string, n int) []time.Duration {
	s.t.Helper()
	c, err := dialFrom("127.9.0.1", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	get := []byte("GET /v1/verify HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + token + "\r\n\r\n")
	var took []time.Duration
	for begin, i := time.Now(), 0; i < n; i++ {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * 2 * time.Millisecond)))
		sent := time.Now()
		if status := c.ask(get); status != http.StatusNoContent {
			s.t.Fatalf("a GET is answered %d", status)
		}
		took = append(took, time.Since(sent))
	}
	slices.Sort(took)
	return took
}

// attacks are what a hostile client does with a connection, again and again until stop is closed.
var attacks = []struct {
	name string
	many int // connections at a time
	play func(c *rawConnection, stop <-chan struct{})
}{
	{"a header that drips", 2000, func(c *rawConnection, stop <-chan struct{}) {
		_, err := c.Write([]byte("GET /v1/me HTTP/1.1\r\nHost: h\r\nX: "))
		for err == nil && !ended(stop, time.Second) {
			_, err = c.Write([]byte("x"))
		}
	}},
	{"a body that drips", 2000, func(c *rawConnection, stop <-chan struct{}) {
		_, err := c.Write([]byte("POST /v1/login HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n" +
			"Content-Length: 60000\r\n\r\n{\"username\":\""))
		for err == nil && !ended(stop, time.Second) {
			_, err = c.Write([]byte("x"))
		}
	}},
	{"a header without an end", 50, func(c *rawConnection, stop <-chan struct{}) {
		_, err := c.Write([]byte("GET /v1/me HTTP/1.1\r\nHost: h\r\n"))
		for i := 0; err == nil && !ended(stop, 10*time.Millisecond); i++ {
			_, err = fmt.Fprintf(c, "X-%d: %s\r\n", i, strings.Repeat("x", 1000))
		}
	}},
	{"chunks without an end", 50, func(c *rawConnection, stop <-chan struct{}) {
		_, err := c.Write([]byte("POST /v1/login HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n" +
			"Transfer-Encoding: chunked\r\n\r\n"))
		chunk := []byte("4000\r\n" + strings.Repeat("[", 0x4000) + "\r\n")
		for err == nil && !ended(stop, 10*time.Millisecond) {
			_, err = c.Write(chunk)
		}
	}},
}

func ended(stop <-chan struct{}, after time.Duration) bool {
	select {
	case <-stop:
		return true
	case <-time.After(after):
		return false
	}
}

// Beside hostile connections, up to 2,000 at a time, everybody else is answered as fast as otherwise,
// and the server's memory stays small.
func TestHostileConnections_leaveOthersAlone(t *testing.T) {
	if err := manyFiles(4096); err != nil {
		t.Skipf("this system allows too few open files: %v", err)
	}
	s := serve(t)
	token := s.join("alice").Access
	s.latencies(token, 200) // warm
	calm := s.latencies(token, 1000)
	memory := s.resident()
	for _, attack := range attacks {
		stop := make(chan struct{})
		var all sync.WaitGroup
		var open atomic.Int64
		for i := range attack.many {
			all.Go(func() {
				// Not all in the same millisecond: hostile clients do not march in step.
				wait := time.Duration(i) * time.Second / time.Duration(attack.many)
				for !ended(stop, wait) {
					wait = time.Second // until it comes again, where the server has hung up
					c, err := dialFrom(fmt.Sprintf("127.1.%d.1", i%20), strings.TrimPrefix(s.URL, "http://"))
					if err != nil {
						return
					}
					_ = c.SetDeadline(time.Now().Add(20 * time.Second)) // the server may not read any more
					open.Add(1)
					attack.play(c, stop)
					open.Add(-1)
					c.Close()
				}
			})
		}
		time.Sleep(3 * time.Second)
		held := open.Load()
		beside := s.latencies(token, 1000)
		more := s.resident() - memory
		close(stop)
		all.Wait()
		t.Logf("%s: %d connections, %d MiB more; GETs calm: median %v, p99 %v; beside: median %v, p99 %v",
			attack.name, held, more, calm[500], calm[990], beside[500], beside[990])
		if more > 128 {
			t.Errorf("%s: the server has %d MiB more", attack.name, more)
		}
		// Generous, since the attackers share the cores: a server that waits for them takes seconds.
		if beside[990] > 2*calm[990]+200*time.Millisecond {
			t.Errorf("%s: p99 of a GET %v, calm %v", attack.name, beside[990], calm[990])
		}
	}
}

// manyFiles lets this process have so many open files.
func manyFiles(n uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= n {
		return err
	}
	limit.Cur = n
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}
