package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writePair writes a certificate for a name and its key to two files.
func writePair(t *testing.T, dir, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		DNSNames:  []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePEM(t, certFile, "CERTIFICATE", der)
	writePEM(t, keyFile, "PRIVATE KEY", private)
	return certFile, keyFile
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// age sets a file's time into the past, since two files may be written within one tick of the file
// system's clock.
func age(t *testing.T, path string, d time.Duration) {
	t.Helper()
	at := time.Now().Add(-d)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func nameOf(t *testing.T, c *tls.Certificate) string {
	t.Helper()
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf.Subject.CommonName
}

func served(t *testing.T, c *certificate) string {
	t.Helper()
	got, err := c.get(nil)
	if err != nil {
		t.Fatal(err)
	}
	return nameOf(t, got)
}

func TestCertificate_isReadAgainWhenItChanges(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := writePair(t, dir, "first.example")
	age(t, certFile, time.Hour)
	c, err := loadCertificate(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	if name := served(t, c); name != "first.example" {
		t.Errorf("serves %s", name)
	}
	writePair(t, dir, "second.example")
	if name := served(t, c); name != "first.example" {
		t.Errorf("looked at its files although it just had: %s", name)
	}
	c.looked = time.Now().Add(-lookInterval)
	if name := served(t, c); name != "second.example" {
		t.Errorf("serves %s after a renewal", name)
	}
}

// In the middle of a renewal the two files may not match, or one may be incomplete or missing.
func TestCertificate_keepsTheOldOneInTheMiddleOfARenewal(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, certFile, keyFile string){
		"the key is the old one": func(t *testing.T, certFile, keyFile string) {
			old, err := os.ReadFile(keyFile)
			if err != nil {
				t.Fatal(err)
			}
			writePair(t, filepath.Dir(certFile), "second.example")
			if err := os.WriteFile(keyFile, old, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"the certificate is half written": func(t *testing.T, certFile, _ string) {
			if err := os.WriteFile(certFile, []byte("-----BEGIN CERTIFICATE-----\nMIIB"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"the certificate is away": func(t *testing.T, certFile, _ string) {
			if err := os.Remove(certFile); err != nil {
				t.Fatal(err)
			}
		},
		"the key is away": func(t *testing.T, certFile, keyFile string) {
			age(t, certFile, 2*time.Hour)
			if err := os.Remove(keyFile); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			certFile, keyFile := writePair(t, dir, "first.example")
			age(t, certFile, time.Hour)
			c, err := loadCertificate(certFile, keyFile)
			if err != nil {
				t.Fatal(err)
			}
			spoil(t, certFile, keyFile)
			c.looked = time.Now().Add(-lookInterval)
			if name := served(t, c); name != "first.example" {
				t.Errorf("serves %s", name)
			}
			writePair(t, dir, "third.example")
			c.looked = time.Now().Add(-lookInterval)
			if name := served(t, c); name != "third.example" {
				t.Errorf("serves %s after the renewal", name)
			}
		})
	}
}

func TestLoadCertificate_saysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	certFile, _ := writePair(t, dir, "first.example")
	for _, c := range [][2]string{{certFile, filepath.Join(dir, "none.pem")},
		{filepath.Join(dir, "none.pem"), certFile}, {certFile, certFile}} {
		if _, err := loadCertificate(c[0], c[1]); err == nil ||
			!strings.Contains(err.Error(), "reading the TLS certificate") {
			t.Errorf("%v: %v", c, err)
		}
	}
}
