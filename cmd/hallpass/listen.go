package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"

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
