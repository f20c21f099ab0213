package jwk

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// The host of an http URL is "localhost", but its address is only known when it is dialled. A test
// from outside cannot make a resolver return another address for it.
func TestCheckDial_plainHTTPOnlyReachesLoopback(t *testing.T) {
	plain := newFetcher(&url.URL{Scheme: "http", Host: "localhost"}, RemoteConfig{AllowPrivate: true})
	secure := newFetcher(&url.URL{Scheme: "https", Host: "issuer.example"}, RemoteConfig{})
	private := newFetcher(&url.URL{Scheme: "https", Host: "issuer.example"}, RemoteConfig{AllowPrivate: true})
	for address, want := range map[string]struct{ plain, secure, private bool }{
		"127.0.0.1:80":          {true, false, true},
		"[::1]:80":              {true, false, true},
		"[::ffff:127.0.0.1]:80": {true, false, true},
		"10.0.0.1:80":           {false, false, true},
		"[fe80::1%eth0]:80":     {false, false, true},
		"169.254.169.254:80":    {false, false, true},
		"8.8.8.8:80":            {false, true, true},
		"[2606:4700::1111]:443": {false, true, true},
		"no address":            {false, false, false},
	} {
		got := struct{ plain, secure, private bool }{
			plain.checkDial("tcp", address, nil) == nil,
			secure.checkDial("tcp", address, nil) == nil,
			private.checkDial("tcp", address, nil) == nil,
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", address, got, want)
		}
	}
}

// An issuer that may only be at a public address cannot make this program call its neighbours. A test
// from outside has no issuer at a public address, so the metadata here was allowed to be at a private
// one.
func TestDiscover_metadataDoesNotLeadToPrivateAddresses(t *testing.T) {
	fetched := false
	keysURL, issuer := "", ""
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetched = fetched || r.URL.Path == "/keys"
		fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q,"keys":[]}`, issuer, keysURL)
	}))
	defer server.Close()
	issuer = server.URL
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	port := issuer[strings.LastIndexByte(issuer, ':'):]
	for _, keysURL = range []string{
		issuer + "/keys", "https://localhost" + port + "/keys", "https://LOCALHOST" + port + "/keys",
		"https://10.0.0.1/keys", "https://169.254.169.254/keys", "https://[::1]" + port + "/keys",
	} {
		m, err := newMetadata(issuer, RemoteConfig{AllowPrivate: true, RootCAs: roots})
		if err != nil {
			t.Fatal(err)
		}
		m.config.AllowPrivate = false
		r := newRemote(&Remote{name: issuer, metadata: m}, RemoteConfig{})
		_, err = r.Current(t.Context())
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "AllowPrivate") {
			t.Errorf("%s: %v", keysURL, err)
		}
		// Only a name can be refused no sooner than when it is dialled.
		isName := strings.Contains(keysURL, "LOCALHOST")
		if refused := strings.Contains(fmt.Sprint(err), "its jwks_uri is"); refused == isName {
			t.Errorf("%s: %v", keysURL, err)
		}
	}
	if fetched {
		t.Error("the keys were fetched")
	}
}
