package conns

import (
	"net"
	"net/netip"
)

// Busy tells how many connections have a request under way.
func Busy(l *Listener) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for c := range l.all {
		if c.idleSince.Load() == 0 {
			n++
		}
	}
	return n
}

// AddressOf is addressOf of a connection that comes from there.
func AddressOf(peer net.Addr) netip.Prefix { return addressOf(peer) }
