package jwk

import (
	"net/url"
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
