package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"github.com/hallpass-go/hallpass"
)

// Listener returns a listener for [Server.HTTPServer]. What net/http cannot read as a request, it
// refuses by itself with a line of text, and the API never sees it. On the connections of this
// listener it gets a refusal of the API instead, with a line in the log. Encrypted connections are
// passed on as they are: net/http must know them.
func (s *Server) Listener(l net.Listener) net.Listener { return refusingListener{l, s} }

type refusingListener struct {
	net.Listener
	server *Server
}

func (l refusingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if _, encrypted := c.(*tls.Conn); encrypted {
		return c, nil
	}
	return refusingConn{c, l.server}, nil
}

type refusingConn struct {
	net.Conn
	server *Server
}

// NetConn returns the connection below, as that of [tls.Conn] does.
func (c refusingConn) NetConn() net.Conn { return c.Conn }

func (c refusingConn) Write(b []byte) (int, error) {
	status := unreadStatus(b)
	if status == 0 {
		return c.Conn.Write(b)
	}
	if _, err := c.Conn.Write(c.server.unread(status, c.RemoteAddr().String())); err != nil {
		return 0, err
	}
	return len(b), nil
}

// textHeader is the header of all answers that net/http writes to what it cannot read. No answer of a
// handler begins so: theirs have further fields.
const textHeader = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

// unreadStatus returns the status of such an answer, and 0 for every other.
func unreadStatus(answer []byte) (status int) {
	rest, found := bytes.CutPrefix(answer, []byte("HTTP/1.1 "))
	if !found || len(rest) < 3 || rest[0] < '4' {
		return 0
	}
	if end := bytes.IndexByte(rest, '\r'); end < 0 || !bytes.HasPrefix(rest[end:], []byte(textHeader)) {
		return 0
	}
	status, _ = strconv.Atoi(string(rest[:3])) // 0 if it is no number
	return status
}

// unread returns the refusal of a request that could not be read, as it is sent.
func (s *Server) unread(status int, from string) []byte {
	refusal := errHeaderTooLarge
	if status != errHeaderTooLarge.Status {
		refusal = &hallpass.Error{
			Code: hallpass.ErrMalformedRequest.Code, Status: status, Detail: "This is not a request of HTTP/1.1.",
		}
	}
	answer := &bufferedAnswer{header: http.Header{"Connection": {"close"}}}
	nothing := &http.Request{URL: &url.URL{}, Header: http.Header{}, RemoteAddr: from}
	s.answer(answer, nothing.WithContext(context.Background()), func(rec *record, r *http.Request) {
		s.refuse(rec, r, refusal)
	})
	return answer.bytes()
}

// bufferedAnswer is an answer that is kept.
type bufferedAnswer struct {
	status int
	header http.Header
	body   []byte
}

func (a *bufferedAnswer) Header() http.Header    { return a.header }
func (a *bufferedAnswer) WriteHeader(status int) { a.status = status }

func (a *bufferedAnswer) Write(b []byte) (int, error) {
	a.body = append(a.body, b...)
	return len(b), nil
}

func (a *bufferedAnswer) bytes() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", a.status, http.StatusText(a.status))
	_ = a.header.Write(&b) // a bytes.Buffer takes everything
	b.WriteString("\r\n")
	b.Write(a.body)
	return b.Bytes()
}
