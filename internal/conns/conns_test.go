package conns_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/conns"
)

// site is an HTTP server with limits. GET /wait is answered once release is closed.
type site struct {
	address  string
	listener *conns.Listener
	log      *lockedBuffer
	release  chan struct{}
	begun    atomic.Int32 // requests of GET /wait that are under way, or have been
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func open(t *testing.T, c conns.Config) *site {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{address: l.Addr().String(), log: &lockedBuffer{}, release: make(chan struct{})}
	c.Log = slog.New(slog.NewTextHandler(s.log, nil))
	if s.listener, err = conns.New(l, c); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	mux.HandleFunc("GET /wait", func(http.ResponseWriter, *http.Request) {
		s.begun.Add(1)
		<-s.release
	})
	server := &http.Server{Handler: mux, ConnState: s.listener.ConnState, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(s.listener) }()
	t.Cleanup(func() { _ = server.Close() })
	return s
}

// dial connects from one of the many loopback addresses.
func (s *site) dial(t *testing.T, from string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(t.Context(), "tcp", s.address)
	if err != nil {
		t.Skipf("no second address of loopback here: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// get sends a request on the connection. It returns an error unless the answer is 200.
func get(c net.Conn, path string) error {
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: site\r\n\r\n", path); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// wantAnswer fails the test unless the connection gets an answer.
func wantAnswer(t *testing.T, who string, c net.Conn) {
	t.Helper()
	if err := get(c, "/"); err != nil {
		t.Errorf("%s gets no answer: %v", who, err)
	}
}

// idle makes n connections that got an answer and now wait.
func (s *site) idle(t *testing.T, from string, n int) (all []net.Conn) {
	t.Helper()
	for range n {
		c := s.dial(t, from)
		wantAnswer(t, from, c)
		all = append(all, c)
	}
	return all
}

func TestListener_idleConnectionsOfOneAddressKeepNobodyOut(t *testing.T) {
	for name, exempt := range map[string][]netip.Prefix{
		"with a share by address":       nil,
		"with an address that has none": {netip.MustParsePrefix("127.0.0.0/8")},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, conns.Config{Max: 16, Exempt: exempt})
			quiet := s.dial(t, "127.0.0.9")
			wantAnswer(t, "somebody else", quiet)
			s.idle(t, "127.0.0.2", 40)
			for range 8 {
				_ = s.dial(t, "127.0.0.2") // and some that never send anything
			}
			wantAnswer(t, "somebody else who was there before", quiet)
			wantAnswer(t, "somebody else who comes", s.dial(t, "127.0.0.3"))
			wantAnswer(t, "an honest client of the same address", s.dial(t, "127.0.0.2"))
			if exempt == nil != strings.Contains(s.log.String(), "an address has as many connections as it may have") {
				t.Errorf("the log: %s", s.log)
			}
		})
	}
}

func TestListener_oneAddressCannotTakeAllByRequestsUnderWay(t *testing.T) {
	s := open(t, conns.Config{Max: 16, PerAddress: 4})
	s.busy(t, "127.0.0.2", 4)
	if err := get(s.dial(t, "127.0.0.2"), "/"); err == nil {
		t.Error("a fifth connection beside four that are busy got an answer")
	}
	wantAnswer(t, "somebody else", s.dial(t, "127.0.0.3"))
	close(s.release)
}

// busy makes n connections with a request in progress, and returns once the server has all of them.
func (s *site) busy(t *testing.T, from string, n int) (done []chan error) {
	t.Helper()
	before := int(s.begun.Load())
	for range n {
		c, answered := s.dial(t, from), make(chan error, 1)
		wantAnswer(t, from, c) // so that it has a place
		go func() { answered <- get(c, "/wait") }()
		done = append(done, answered)
	}
	// Not by the state of the connections: the answer to the first request may be here before the server
	// has noted that it is over.
	for start := time.Now(); int(s.begun.Load())-before < n; time.Sleep(time.Millisecond) {
		if time.Since(start) > 5*time.Second {
			t.Fatalf("%d of %d requests are under way", int(s.begun.Load())-before, n)
		}
	}
	return done
}

func TestListener_requestsUnderWayAreNeverCutOff(t *testing.T) {
	s := open(t, conns.Config{Max: 4, PerAddress: 4})
	answers := s.busy(t, "127.0.0.2", 4)
	waiting := make(chan error, 1)
	late := s.dial(t, "127.0.0.3")
	go func() { waiting <- get(late, "/") }()
	select {
	case err := <-waiting:
		t.Fatalf("a fifth connection did not wait for a place: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(s.release)
	for _, answered := range answers {
		if err := <-answered; err != nil {
			t.Errorf("a request under way: %v", err)
		}
	}
	if err := <-waiting; err != nil {
		t.Errorf("who waited for a place got no answer: %v", err)
	}
	if !strings.Contains(s.log.String(), "as many connections as there may be") {
		t.Errorf("the log does not tell that places ran out: %s", s.log)
	}
}

func TestListener_idleTimesAreShorterWhenPlacesAreScarce(t *testing.T) {
	var mu sync.Mutex
	now := time.Now()
	s := open(
		t,
		conns.Config{Max: 16, PerAddress: 16, Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }},
	)
	old := s.idle(t, "127.0.0.2", 12) // three quarters
	for conns.Busy(s.listener) > 0 {  // the answer comes before the connection is idle
		time.Sleep(time.Millisecond)
	}
	mu.Lock()
	now = now.Add(11 * time.Second)
	mu.Unlock()
	wantAnswer(t, "somebody else", s.dial(t, "127.0.0.3"))
	for i, c := range old {
		if err := get(c, "/"); err == nil {
			t.Errorf("connection %d is kept after 11 seconds without a request", i)
		}
	}
}

func TestListener_closeWakesWhoWaitsForAPlace(t *testing.T) {
	s := open(t, conns.Config{Max: 1})
	s.busy(t, "127.0.0.2", 1)
	late := s.dial(t, "127.0.0.3")
	for begin := time.Now(); !strings.Contains(s.log.String(),
		"as many connections as there may be"); time.Sleep(time.Millisecond) {
		if time.Since(begin) > 5*time.Second {
			t.Fatal("the second connection has a place although the only one is taken")
		}
	}
	if err := s.listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := get(late, "/"); err == nil {
		t.Error("an answer after the listener was closed")
	}
	close(s.release)
}

func TestAddressOf_anIPv6AddressIsItsSubnet(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "::ffff:192.0.2.7": "192.0.2.7/32",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
		"::1": "::1/128",
	} {
		a := netip.MustParseAddr(text)
		if got := conns.AddressOf(net.TCPAddrFromAddrPort(netip.AddrPortFrom(a, 1))); got != netip.MustParsePrefix(
			want,
		) {
			t.Errorf("%s counts as %s, want %s", text, got, want)
		}
	}
}

func TestNew_refusesWhatBoundsNothing(t *testing.T) {
	for _, c := range []conns.Config{{Log: slog.Default()}, {Max: 1}, {Max: 1, PerAddress: -1, Log: slog.Default()}} {
		if _, err := conns.New(nil, c); err == nil {
			t.Errorf("taken: %+v", c)
		}
	}
}
