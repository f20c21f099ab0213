package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/crypto/acme/autocert"

	"github.com/hallpass-go/hallpass/internal/conns"
)

// loopback are the addresses of this machine, which is one client or a proxy for all of them.
var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// listener is the server's listener, with limits, and with TLS if configured.
type listener struct {
	net.Listener
	bounds *conns.Listener
	acme   *autocert.Manager // nil without --acme-domain
}

// listen opens the server's address.
func (c *serveCommand) listen(data string, proxies []netip.Prefix, log *slog.Logger) (*listener, error) {
	plain, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return nil, fmt.Errorf("listening: %w (another address: --addr)", err)
	}
	bounds, err := conns.New(
		plain,
		conns.Config{Max: conns.Limit(c.MaxConnections), Exempt: slices.Concat(loopback, proxies), Log: log},
	)
	if err != nil {
		return nil, errors.Join(err, plain.Close())
	}
	if len(c.ACMEDomain) > 0 {
		manager, err := c.acmeManager(data)
		if err != nil {
			return nil, errors.Join(err, plain.Close())
		}
		return &listener{tls.NewListener(bounds, manager.TLSConfig()), bounds, manager}, nil
	}
	if c.TLSCert == "" {
		return &listener{bounds, bounds, nil}, nil
	}
	certificate, err := loadCertificate(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, errors.Join(err, plain.Close())
	}
	config := &tls.Config{GetCertificate: certificate.get, NextProtos: []string{"h2", "http/1.1"}}
	return &listener{tls.NewListener(bounds, config), bounds, nil}, nil
}

// servePlain answers plain HTTP on a second address, which the setting named by flag gave. It returns
// the address, with the port that was free if the setting left that open, and how to stop.
func servePlain(flag, addr string, h http.Handler, log *slog.Logger) (string, func(), error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return "", nil, fmt.Errorf("listening: %w (another address: %s)", err, flag)
	}
	s := &http.Server{
		Handler: h, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go func() { _ = s.Serve(listener) }()
	return listener.Addr().String(), func() { _ = s.Close() }, nil
}
