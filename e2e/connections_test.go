//go:build unix

package e2e

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

var readyLine = regexp.MustCompile(`msg=ready url=(https?)://(\S+)`)

// serveUnder starts a server on any free port with so many descriptors, and returns the scheme and
// the address that its log names.
func serveUnder(t *testing.T, descriptors int, args ...string) (scheme, address string) {
	t.Helper()
	log := &lockedBuffer{}
	script := fmt.Sprintf(`ulimit -n %d && exec "$0" serve --addr 127.0.0.1:0 "$@"`, descriptors)
	cmd := exec.Command(
		"sh",
		append([]string{"-c", script, binary, "--data", filepath.Join(t.TempDir(), "data")}, args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("log of the server:\n%.20000s", log)
		}
	})
	for begin := time.Now(); time.Since(begin) < 20*time.Second; time.Sleep(10 * time.Millisecond) {
		if found := readyLine.FindStringSubmatch(log.String()); found != nil {
			return found[1], found[2]
		}
	}
	t.Fatal("the server is not ready after 20 s")
	return "", ""
}

// ask sends a request on a connection and reads the answer.
func ask(c net.Conn) error {
	if err := c.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

func TestConnections_idleOnesKeepNobodyOut(t *testing.T) {
	t.Parallel()
	certFile, keyFile := certificate(t)
	for _, form := range []struct {
		scheme string
		args   []string
	}{{"http", nil}, {"https", []string{"--tls-cert", certFile, "--tls-key", keyFile}}} {
		t.Run(form.scheme, func(t *testing.T) {
			scheme, address := serveUnder(t, 256, form.args...)
			if scheme != form.scheme {
				t.Fatalf("it speaks %s", scheme)
			}
			dial := func() (net.Conn, error) {
				d := &net.Dialer{Timeout: 2 * time.Second}
				if scheme == "http" {
					return d.DialContext(t.Context(), "tcp", address)
				}
				return tls.DialWithDialer(d, "tcp", address,
					&tls.Config{InsecureSkipVerify: true}) // its own certificate
			}
			for i := range 270 {
				c, err := dial()
				if err == nil {
					defer c.Close()
					err = ask(c)
				}
				if err != nil {
					t.Fatalf("connection %d: %v", i, err)
				}
			}
			begin := time.Now()
			c, err := dial()
			if err == nil {
				defer c.Close()
				err = ask(c)
			}
			if took := time.Since(begin); err != nil || took > 2*time.Second {
				t.Errorf("beside 270 idle connections an honest client waits %v: %v", took, err)
			}
		})
	}
}

// certificate makes a certificate of 127.0.0.1 and its key, in files.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", cert), write("key.pem", "PRIVATE KEY", private)
}

func TestIssuer_followsTheAddressAndDiscoveryPointsThere(t *testing.T) {
	t.Parallel()
	scheme, address := serveUnder(t, 256)
	s := &server{t: t, URL: scheme + "://" + address}
	got := s.do(request{Do: "GET /.well-known/oauth-authorization-server"}).want(200, "")
	if issuer := got.str("issuer"); issuer != s.URL {
		t.Errorf("the issuer is %s, and the server listens on %s", issuer, s.URL)
	}
	keys := got.str("jwks_uri")
	resp, err := client.Get(keys)
	if err != nil {
		t.Fatalf("the keys that discovery names: %v", err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("%s answers %s", keys, resp.Status)
	}
}
