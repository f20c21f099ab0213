package conns

import (
	"net"
	"net/netip"
)

// Busy returns the number of connections with a request in progress.
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

// AddressOf exports addressOf.
func AddressOf(peer net.Addr) netip.Prefix { return addressOf(peer) }
