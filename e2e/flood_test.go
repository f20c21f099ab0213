//go:build linux

package e2e

import (
	"bufio"
	"flag"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var floodLogins = flag.Int("logins", 20, "honest log-ins of each kind beside a flood, at most 250")

// rawConnection is a keep-alive connection of HTTP/1.1 that costs its own side next to nothing: the
// flood and the server share the cores of one machine.
type rawConnection struct {
	net.Conn
	reader *bufio.Reader
}

// dialFrom connects from an address of 127.0.0.0/8, all of which are this machine's on Linux.
func dialFrom(ip, address string) (*rawConnection, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}, Timeout: 5 * time.Second}
	c, err := dialer.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &rawConnection{c, bufio.NewReaderSize(c, 2048)}, nil
}

// rawPost is a whole request.
func rawPost(path, body string) []byte {
	return fmt.Appendf(
		nil, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		path, len(body), body,
	)
}

// ask sends a request and returns the status of its answer, or 0 when there is none.
func (c *rawConnection) ask(request []byte) int {
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Write(request); err != nil {
		return 0
	}
	var status, length int
	for first := true; ; first = false {
		line, err := c.reader.ReadSlice('\n')
		switch {
		case err != nil:
			return 0
		case first:
			_, _ = fmt.Sscanf(string(line[9:12]), "%d", &status)
		case len(line) == 2: // the end of the header
			_, err = c.reader.Discard(length)
			if err != nil {
				return 0
			}
			return status
		case strings.HasPrefix(string(line), "Content-Length: "):
			_, _ = fmt.Sscanf(string(line[16:]), "%d", &length)
		}
	}
}

// attackers keep connections to a server open, for each of their addresses as many as wait for an
// answer at a time, up to 2000 in all.
type attackers struct {
	server string
	group  sync.WaitGroup

	mu      sync.Mutex
	free    map[string][]chan []byte // the connections of an address that wait for a request
	all     []chan []byte
	answers map[int]int
}

// send sends a request from an address and does not wait for the answer.
func (a *attackers) send(from string, request []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if last := len(a.free[from]) - 1; last >= 0 {
		a.free[from][last] <- request
		a.free[from] = a.free[from][:last]
		return
	}
	if len(a.all) == 2000 {
		return // nothing is answered any more
	}
	requests := make(chan []byte, 1)
	requests <- request
	a.all = append(a.all, requests)
	a.group.Go(func() { a.connect(from, requests) })
}

// connect is the life of one connection.
func (a *attackers) connect(from string, requests chan []byte) {
	c, err := dialFrom(from, a.server)
	if err != nil {
		return
	}
	defer c.Close()
	for request := range requests {
		status := c.ask(request)
		a.mu.Lock()
		a.answers[status]++
		a.free[from] = append(a.free[from], requests)
		a.mu.Unlock()
	}
}

// flood sends hostile sign-ups, with new names or with one that is taken, and log-ins with wrong
// passwords, in turn, 500 a second in all, until stop is closed. It returns how many answers of
// each status came.
func flood(s *server, addresses []string, taken bool, stop <-chan struct{}) map[int]int {
	a := &attackers{
		server: strings.TrimPrefix(s.URL, "http://"), free: map[string][]chan []byte{}, answers: map[int]int{},
	}
	begin := time.Now()
	for i := 0; ; i++ {
		select {
		case <-stop:
			for _, requests := range a.all {
				close(requests)
			}
			a.group.Wait()
			return a.answers
		case <-time.After(time.Until(begin.Add(time.Duration(i) * 2 * time.Millisecond))):
		}
		path, name := "/v1/users", fmt.Sprint("hostile", i)
		switch {
		case i%2 == 1:
			path, name = "/v1/login", fmt.Sprint("hostile", i%1000)
		case taken:
			name = "alice"
		}
		body := object("username", name, "password", "a password of the flood")
		a.send(addresses[i/2%len(addresses)], rawPost(path, body))
	}
}

// honestLogins logs alice in, from the addresses in turn, and returns how long each log-in took,
// shortest first. Each has its connection already.
func honestLogins(t *testing.T, s *server, addresses []string) []time.Duration {
	t.Helper()
	login := rawPost("/v1/login", object("username", "alice", "password", passwordOf("alice")))
	var took []time.Duration
	for i := range *floodLogins {
		c, err := dialFrom(addresses[i%len(addresses)], strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Millisecond)
		started := time.Now()
		if status := c.ask(login); status != http.StatusOK {
			t.Errorf("honest log-in %d is answered %d", i, status)
		}
		took = append(took, time.Since(started))
		c.Close()
	}
	slices.Sort(took)
	return took
}

func addressesOf(network string, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint(network, ".", i+1))
	}
	return all
}

// Beside 500 hostile sign-ups and log-ins a second, from one address or from 64, everybody else
// logs in: clients that have logged in before from where they are, and clients that come for the
// first time.
func TestFlood_leavesOthersTheirLogins(t *testing.T) {
	for _, c := range []struct {
		name    string
		hostile int
		taken   bool
	}{
		{"from 1, new names", 1, false},
		{"from 64, new names", 64, false},
		{"from 64, a name that is taken", 64, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t)
			s.signUp("alice")
			known := addressesOf("127.9.0", 1)
			honestLogins(t, s, known)
			calmKnown := honestLogins(t, s, known)
			calmNew := honestLogins(t, s, addressesOf("127.9.1", *floodLogins))
			stop, done := make(chan struct{}), make(chan map[int]int)
			go func() { done <- flood(s, addressesOf("127.1.0", c.hostile), c.taken, stop) }()
			time.Sleep(time.Second)
			besideKnown := honestLogins(t, s, known)
			besideNew := honestLogins(t, s, addressesOf("127.9.2", *floodLogins))
			close(stop)
			compare(t, "known", calmKnown, besideKnown)
			compare(t, "new", calmNew, besideNew)
			t.Logf("the flood was answered %v", <-done)
		})
	}
}

// compare shows how much longer log-ins take beside a flood. It demands nothing: other tests and
// programs share the processors and the disk. That none waits for a flood's hash is shown by the
// tests of the governor.
func compare(t *testing.T, whose string, calm, beside []time.Duration) {
	t.Helper()
	last := len(calm) - 1
	median, p99 := last/2, last*99/100
	times := func(i int) float64 { return float64(beside[i]) / float64(calm[i]) }
	t.Logf("%d log-ins from %s addresses, calm: median %v, p99 %v, longest %v",
		len(calm), whose, calm[median], calm[p99], calm[last])
	t.Logf("beside the flood: median %v (%.1f times), p99 %v (%.1f times), longest %v (%.1f times)",
		beside[median], times(median), beside[p99], times(p99), beside[last], times(last))
}
