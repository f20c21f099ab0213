package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/hallpass-go/hallpass/internal/sqldb"
)

// acmeSettings are those of certificates that the server gets by itself (RFC 8555).
type acmeSettings struct {
	ACMEDomain    []string `name:"acme-domain" placeholder:"NAME" help:"${acme_domain}"`
	ACMEEmail     string   `name:"acme-email" placeholder:"ADDRESS" help:"${acme_email}"`
	ACMEDirectory string   `name:"acme-directory" placeholder:"URL" help:"${acme_directory}"`
	ACMEHTTP      string   `name:"acme-http" placeholder:"HOST:PORT" help:"${acme_http}"`
}

// acmeManager gets and renews the certificates, and keeps them in the data folder.
func (c *serveCommand) acmeManager(data string) (*autocert.Manager, error) {
	cache := filepath.Join(data, "acme")
	if err := sqldb.MakeFolder(data); err != nil {
		return nil, fmt.Errorf("opening the data folder: %w", err)
	}
	if err := sqldb.MakeFolder(cache); err != nil {
		return nil, fmt.Errorf("opening the folder of certificates: %w", err)
	}
	return &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(cache),
		HostPolicy: autocert.HostWhitelist(c.ACMEDomain...),
		Email:      c.ACMEEmail, Client: &acme.Client{DirectoryURL: c.ACMEDirectory},
	}, nil
}

// serveACME gets the certificates before the first client asks, and answers plain HTTP on
// --acme-http: the authority's question (RFC 8555 §8.3), and a redirect to HTTPS for all else. It
// returns how to stop that.
func (c *serveCommand) serveACME(ctx context.Context, manager *autocert.Manager, log *slog.Logger) (func(), error) {
	stop := func() {}
	if c.ACMEHTTP != "" {
		var err error
		if _, stop, err = servePlain("--acme-http", c.ACMEHTTP, manager.HTTPHandler(nil), log); err != nil {
			return nil, err
		}
	}
	for _, domain := range c.ACMEDomain {
		go c.fetchCertificate(ctx, manager, domain, log)
	}
	return stop, nil
}

// fetchCertificate gets one certificate, and says in the log why that fails: clients only see a
// handshake that ends.
func (c *serveCommand) fetchCertificate(
	ctx context.Context, manager *autocert.Manager, domain string, log *slog.Logger,
) {
	hello := &tls.ClientHelloInfo{
		ServerName: domain, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
		SupportedCurves:  []tls.CurveID{tls.CurveP256},
	}
	for wait := time.Minute; ; wait = min(2*wait, time.Hour) {
		certificate, err := manager.GetCertificate(hello)
		if err == nil {
			log.Info("the certificate is there", "domain", domain, "until", certificate.Leaf.NotAfter)
			return
		}
		log.Error("no certificate: is port 443 of the domain this server's --addr, or port 80 its --acme-http?",
			"domain", domain, "again_in", wait, "err", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}
