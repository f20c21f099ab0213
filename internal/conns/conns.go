// Package conns limits the connections of a server: in total, so that file descriptors are left for
// other uses, and by client address, so that no client takes the places of all others.
//
// If there are too many, the address with the most connections loses the one that has waited
// longest for a request. A connection that is answering a request is never closed.
package conns

import (
	"cmp"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// nearIdle is how long a connection may wait for a request while at least three quarters of the
	// places are taken.
	nearIdle = 10 * time.Second
	// sweepEvery is the interval between searches for such connections.
	sweepEvery = time.Second
	// warnEvery is the shortest interval between two warnings of one kind.
	warnEvery = 10 * time.Second
)

// Config configures [New].
type Config struct {
	// Max is the maximum number of connections. Required. [Limit] says how many the file
	// descriptors allow.
	Max int
	// PerAddress is the maximum per address. The /64 of an IPv6 address counts as one address.
	// Defaults to a quarter of Max.
	PerAddress int
	// Exempt are the networks whose addresses may have up to Max connections, such as proxies,
	// whose connections come from many clients.
	Exempt []netip.Prefix
	// Log gets occasional warnings about limits that are reached and connections that cannot be
	// accepted. Required.
	Log *slog.Logger
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Listener is a [net.Listener] with limits. [Listener.ConnState] must be called for the state
// changes of its connections. It is safe for concurrent use.
type Listener struct {
	net.Listener
	c Config

	mu     sync.Mutex // guards the fields below
	freed  *sync.Cond // a place may be free, or the listener is closed
	all    map[*conn]struct{}
	byAddr map[netip.Prefix]int
	swept  time.Time
	closed bool

	waiting atomic.Int32 // accepted connections without a place, to be told when one becomes idle

	crowded, greedy, failed warning
}

// New limits the connections that l accepts.
func New(l net.Listener, c Config) (*Listener, error) {
	if c.Max < 1 || c.PerAddress < 0 || c.Log == nil {
		return nil, errors.New("conns: Max and Log are required, and PerAddress is not negative")
	}
	c.PerAddress = cmp.Or(c.PerAddress, max(1, c.Max/4))
	if c.Now == nil {
		c.Now = time.Now
	}
	b := &Listener{Listener: l, c: c, all: map[*conn]struct{}{}, byAddr: map[netip.Prefix]int{}}
	b.freed = sync.NewCond(&b.mu)
	return b, nil
}

// Accept returns the next connection that has a place. If all places are taken by requests in
// progress, it waits. New connections then wait in the operating system.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			if l.madeRoom(err) {
				continue
			}
			return nil, err
		}
		c := &conn{Conn: accepted, listener: l, address: addressOf(accepted.RemoteAddr())}
		c.idleSince.Store(l.c.Now().UnixNano())
		if l.place(c) {
			return c, nil
		}
		_ = accepted.Close()
	}
}

// madeRoom logs an error of Accept. If file descriptors ran out, it closes an idle connection and
// reports whether there was one.
func (l *Listener) madeRoom(err error) bool {
	if errors.Is(err, net.ErrClosed) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed.tell(l, "a connection could not be accepted", "err", err)
	noDescriptor := errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
	return noDescriptor && l.closeIdle(netip.Prefix{})
}

// place finds room for a new connection. If it returns false, the connection must be closed.
func (l *Listener) place(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep()
	if !l.exempt(c.address) && l.byAddr[c.address] >= l.c.PerAddress {
		l.greedy.tell(l, "an address has as many connections as it may have", "address", c.address,
			"connections", l.c.PerAddress)
		if !l.closeIdle(c.address) {
			return false
		}
	}
	for len(l.all) >= l.c.Max {
		l.crowded.tell(l, "there are as many connections as there may be; idle ones give way", "connections", l.c.Max)
		l.waiting.Add(1) // before the search: a connection that becomes idle later signals it
		if !l.closed && !l.closeIdle(netip.Prefix{}) {
			l.freed.Wait()
		}
		l.waiting.Add(-1)
		if l.closed {
			return false
		}
	}
	l.all[c] = struct{}{}
	l.byAddr[c.address]++
	return true
}

// sweep closes connections that have been idle for some time, if few places are left. l.mu is held.
func (l *Listener) sweep() {
	now := l.c.Now()
	if len(l.all) < l.c.Max-l.c.Max/4 || now.Sub(l.swept) < sweepEvery {
		return
	}
	l.swept = now
	for c := range l.all {
		if since := c.idleSince.Load(); since > 0 && now.UnixNano()-since >= int64(nearIdle) {
			l.end(c, since)
		}
	}
}

// closeIdle closes one idle connection of the address and reports whether there was one. If the
// address is zero, it takes the address with the most connections. l.mu is held.
func (l *Listener) closeIdle(of netip.Prefix) bool {
	for {
		var victim *conn
		var most int
		var oldest int64
		for c := range l.all {
			since := c.idleSince.Load()
			if since <= 0 || of.IsValid() && c.address != of {
				continue
			}
			if n := l.byAddr[c.address]; victim == nil || n > most || n == most && since < oldest {
				victim, most, oldest = c, n, since
			}
		}
		if victim == nil {
			return false
		}
		if l.end(victim, oldest) {
			return true
		}
	}
}

// end closes a connection unless a request has arrived since. l.mu is held.
func (l *Listener) end(c *conn, since int64) bool {
	if !c.idleSince.CompareAndSwap(since, 0) {
		return false
	}
	_ = c.Conn.Close()
	l.forget(c)
	return true
}

// forget frees a connection's place. l.mu is held.
func (l *Listener) forget(c *conn) {
	if _, has := l.all[c]; !has {
		return
	}
	delete(l.all, c)
	if l.byAddr[c.address]--; l.byAddr[c.address] == 0 {
		delete(l.byAddr, c.address)
	}
	l.freed.Broadcast()
}

func (l *Listener) exempt(address netip.Prefix) bool {
	for _, p := range l.c.Exempt {
		if p.Contains(address.Addr()) {
			return true
		}
	}
	return false
}

// Close closes the listener, not its connections.
func (l *Listener) Close() error {
	err := l.Listener.Close() // first, so that the goroutines it wakes find it closed
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.freed.Broadcast()
	return err
}

// conn is a connection that has a place.
type conn struct {
	net.Conn
	listener *Listener
	address  netip.Prefix
	// idleSince is when the connection started to wait for a request, in nanoseconds since 1970; 0
	// during a request.
	idleSince atomic.Int64
}

// Close closes the connection and frees its place.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.listener.forget(c)
	return err
}

// addressOf returns the unit that counts as one address: an IPv4 address, or the /64 of an IPv6
// address, because the owner of one address usually owns the whole /64.
func addressOf(peer net.Addr) netip.Prefix {
	tcp, ok := peer.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	address := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if address.Is6() {
		bits = 64
		if address.IsLoopback() {
			bits = 128 // ::1 does not stand for all of ::/64
		}
	}
	prefix, _ := address.Prefix(bits) // fails only with a zone, which was removed
	return prefix
}

// warning limits how often one kind of warning is logged.
type warning struct {
	last  time.Time
	times int // since the last log entry
}

// tell logs the warning unless it was logged recently. l.mu is held.
func (w *warning) tell(l *Listener, message string, args ...any) {
	w.times++
	if now := l.c.Now(); w.last.IsZero() || now.Sub(w.last) >= warnEvery {
		l.c.Log.Warn(message, append(args, "times", w.times)...)
		w.last, w.times = now, 0
	}
}
