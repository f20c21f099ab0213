// Package conns bounds the connections of a server: in all, so that descriptors are left for
// everything else, and by client address, so that nobody takes the places of all others.
//
// A connection that waits for a request is what gives way: the address that holds the most loses
// the one that has waited longest. One that is answering a request is never closed.
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
	// nearIdle is how long a connection may wait for a request while three quarters of the places
	// are taken.
	nearIdle = 10 * time.Second
	// sweepEvery is how often they are looked for then.
	sweepEvery = time.Second
	// warnEvery is how often one kind of trouble is told.
	warnEvery = 10 * time.Second
)

// Config is what [New] needs.
type Config struct {
	// Max is how many connections there are at a time. Required; [Limit] tells what the descriptors
	// allow.
	Max int
	// PerAddress is how many of them one address has, an IPv6 address with all of its /64. Defaults
	// to a quarter of Max.
	PerAddress int
	// Exempt are the networks whose addresses may have Max: proxies, behind which there is
	// everybody.
	Exempt []netip.Prefix
	// Log is warned, now and then, of limits that are reached and of connections that cannot be
	// accepted. Required.
	Log *slog.Logger
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Listener is a [net.Listener] with bounds. [Listener.ConnState] must be told what becomes of its
// connections. It is safe for concurrent use.
type Listener struct {
	net.Listener
	c Config

	mu     sync.Mutex // guards the fields below
	freed  *sync.Cond // a place may be had now, or the listener is closed
	all    map[*conn]struct{}
	byAddr map[netip.Prefix]int
	swept  time.Time
	closed bool

	waiting atomic.Int32 // accepted connections without a place, to be told of one that falls idle

	crowded, greedy, failed warning
}

// New puts bounds on the connections that l accepts.
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

// Accept returns the next connection that has a place. When all are taken by requests under way it
// waits; the connections that come meanwhile wait with the system.
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

// madeRoom answers an error of Accept for which closing a connection helps: no descriptor is left.
// It tells the others, too.
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

// place finds room for a new connection. Without it the connection is to be closed.
func (l *Listener) place(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep()
	if !l.exempt(c.address) && l.byAddr[c.address] >= l.c.PerAddress {
		l.greedy.tell(
			l,
			"an address has as many connections as it may have",
			"address",
			c.address,
			"connections",
			l.c.PerAddress,
		)
		if !l.closeIdle(c.address) {
			return false
		}
	}
	for len(l.all) >= l.c.Max {
		l.crowded.tell(l, "there are as many connections as there may be; idle ones give way", "connections", l.c.Max)
		l.waiting.Add(1) // before the look: what falls idle after it is told
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

// sweep closes what has been idle for some time when places grow scarce. l.mu is held.
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

// closeIdle closes one idle connection of the address, or of the one with the most when it is zero,
// and reports whether there was one. l.mu is held.
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

// end closes a connection unless it has got a request since. l.mu is held.
func (l *Listener) end(c *conn, since int64) bool {
	if !c.idleSince.CompareAndSwap(since, 0) {
		return false
	}
	_ = c.Conn.Close()
	l.forget(c)
	return true
}

// forget gives a connection's place back. l.mu is held.
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
	err := l.Listener.Close() // first, so that whoever is woken finds it closed
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
	// idleSince is when the connection began to wait for a request, in nanoseconds since 1970; 0
	// while it has one.
	idleSince atomic.Int64
}

// Close closes the connection and gives its place back.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.listener.forget(c)
	return err
}

// addressOf returns what is counted as one address: an IPv4 address, or the /64 of an IPv6 one, of
// which whoever has one address has all.
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
			bits = 128 // ::1 is not all of ::/64
		}
	}
	prefix, _ := address.Prefix(bits) // not for a zone, of which there is none
	return prefix
}

// warning is one kind of trouble, told now and then.
type warning struct {
	last  time.Time
	times int // since it was told
}

// tell logs the trouble unless it was logged a moment ago. l.mu is held.
func (w *warning) tell(l *Listener, message string, args ...any) {
	w.times++
	if now := l.c.Now(); w.last.IsZero() || now.Sub(w.last) >= warnEvery {
		l.c.Log.Warn(message, append(args, "times", w.times)...)
		w.last, w.times = now, 0
	}
}
