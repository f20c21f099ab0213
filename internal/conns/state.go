package conns

import (
	"net"
	"net/http"
)

// ConnState is for the field of that name in [http.Server]. It tells the listener which connections
// wait for a request. A connection that has sent only part of a request still counts as waiting.
func (l *Listener) ConnState(c net.Conn, state http.ConnState) {
	if around, ok := c.(interface{ NetConn() net.Conn }); ok { // such as a *tls.Conn
		c = around.NetConn()
	}
	own, ok := c.(*conn)
	if !ok {
		return
	}
	switch state {
	case http.StateActive, http.StateHijacked:
		own.idleSince.Store(0)
	case http.StateIdle:
		own.idleSince.Store(l.c.Now().UnixNano())
		if l.waiting.Load() > 0 {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.freed.Broadcast()
		}
	}
}
