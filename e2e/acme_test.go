package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// find returns the path of a program. If there is none, it skips the test with the name of Debian's
// package, or fails it if HALLPASS_TEST_REQUIRE lists that name.
func find(t *testing.T, program, name string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if slices.Contains(strings.Split(os.Getenv("HALLPASS_TEST_REQUIRE"), ","), name) {
		t.Fatal(name + " is required and not there")
	}
	t.Skip(name + " is not there")
	return ""
}

// authority is Pebble, Let's Encrypt's own authority for tests. It asks the domain's server on
// ports of ours, and a name server for which every name is on loopback.
type authority struct {
	t                    *testing.T
	directory, roots     string // URLs
	trusted              string // file: what its own HTTPS is certified by
	httpPort, tlsAddress string
}

func startAuthority(t *testing.T) *authority {
	t.Helper()
	pebble, names := find(t, "pebble", "pebble"), find(t, "pebble-challtestsrv", "pebble")
	a := &authority{t: t, httpPort: freeAddress(t), tlsAddress: freeAddress(t)}
	certFile, keyFile := certificate(t)
	a.trusted = certFile
	listen, manage, dns := freeAddress(t), freeAddress(t), freeAddress(t)
	a.directory, a.roots = "https://"+listen+"/dir", "https://"+manage+"/roots/0"
	_, httpPort, _ := net.SplitHostPort(a.httpPort)
	_, tlsPort, _ := net.SplitHostPort(a.tlsAddress)
	config := map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": manage, "certificate": certFile, "privateKey": keyFile,
		"httpPort": json.Number(httpPort), "tlsPort": json.Number(tlsPort),
	}}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pebble.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	a.run(names, "-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", dns, "-http01", "", "-https01", "",
		"-tlsalpn01", "", "-management", freeAddress(t))
	a.run(pebble, "-config", file, "-dnsserver", dns)
	for range 200 {
		if a.root() != nil {
			return a
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("pebble does not answer")
	return nil
}

// run starts a program that ends with the test.
func (a *authority) run(program string, args ...string) {
	a.t.Helper()
	log := &lockedBuffer{}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	if err := cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if a.t.Failed() {
			a.t.Logf("log of %s:\n%.10000s", program, log)
		}
	})
}

// root returns what the authority's certificates go back to, or nil if it does not answer.
func (a *authority) root() *x509.CertPool {
	trusted, err := os.ReadFile(a.trusted)
	if err != nil {
		a.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(trusted)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	defer c.CloseIdleConnections()
	resp, err := c.Get(a.roots)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(text) {
		return nil
	}
	return roots
}

const domain = "auth.example"

// serve starts hallpass, which is to get its certificates from the authority.
func (a *authority) serve(data string, args ...string) *server {
	a.t.Helper()
	s := &server{t: a.t, program: binary, data: data, log: &lockedBuffer{}, done: make(chan error, 1)}
	s.cmd = exec.Command(binary, append([]string{
		"serve", "--addr", a.tlsAddress, "--data", data, "--issuer", "https://" + domain,
		"--acme-domain", domain, "--acme-directory", a.directory,
	}, args...)...)
	s.cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+a.trusted)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	go func() { s.done <- s.cmd.Wait() }()
	a.t.Cleanup(func() {
		s.kill()
		if a.t.Failed() {
			a.t.Logf("log of the server:\n%.10000s", s.log)
		}
	})
	return s
}

// ready asks the server, by the name of the domain, until it answers with a good certificate.
func (a *authority) ready(roots *x509.CertPool) *x509.Certificate {
	a.t.Helper()
	dialer := &net.Dialer{}
	c := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, a.tlsAddress)
		},
	}}
	defer c.CloseIdleConnections()
	var err error
	for begin := time.Now(); time.Since(begin) < 30*time.Second; time.Sleep(50 * time.Millisecond) {
		var resp *http.Response
		if resp, err = c.Get("https://" + domain + "/readyz"); err == nil {
			resp.Body.Close()
			return resp.TLS.PeerCertificates[0]
		}
	}
	a.t.Fatalf("no good answer: %v", err)
	return nil
}

// The server gets its certificate by itself, by TLS alone, and has it still after a restart when the
// authority cannot be reached.
func TestACME_getsAndKeepsACertificate(t *testing.T) {
	t.Parallel()
	a := startAuthority(t)
	roots := a.root()
	data := filepath.Join(t.TempDir(), "data")
	s := a.serve(data)
	first := a.ready(roots)
	if err := first.VerifyHostname(domain); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]os.FileMode{"acme": 0o700, "acme/" + domain: 0o600} {
		info, err := os.Stat(filepath.Join(data, path))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, want %v: %v", path, info.Mode(), want, err)
		}
	}
	s.kill()
	a.directory = "https://" + freeAddress(t) + "/nobody"
	a.serve(data)
	if again := a.ready(roots); !again.Equal(first) {
		t.Error("after a restart the certificate is another one")
	}
}

// Other names are no reason to ask the authority: whoever connects could use up what it gives.
func TestACME_onlyForTheNamesGiven(t *testing.T) {
	t.Parallel()
	a := startAuthority(t)
	a.serve(filepath.Join(t.TempDir(), "data"))
	a.ready(a.root())
	c, err := tls.Dial("tcp", a.tlsAddress, &tls.Config{ServerName: "evil.example", InsecureSkipVerify: true})
	if err == nil {
		c.Close()
		t.Error("the server has a certificate for another name")
	}
}

// On --acme-http the authority gets its answer, and everybody else is sent to HTTPS.
func TestACME_plainHTTPLeadsToHTTPS(t *testing.T) {
	t.Parallel()
	a := startAuthority(t)
	a.serve(filepath.Join(t.TempDir(), "data"), "--acme-http", a.httpPort)
	a.ready(a.root())
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequest(http.MethodGet, "http://"+a.httpPort+"/v1/me", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = domain
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := resp.Header.Get("Location"); resp.StatusCode != http.StatusFound || got != "https://"+domain+"/v1/me" {
		t.Errorf("plain HTTP answers %s to %q", resp.Status, got)
	}
}
