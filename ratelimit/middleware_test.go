package ratelimit_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/ratelimit"
)

var ok = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") })

// ask sends "METHOD /path" from an address.
func ask(h http.Handler, request, from string) *httptest.ResponseRecorder {
	method, path, _ := strings.Cut(request, " ")
	r := httptest.NewRequest(method, path, nil)
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestMiddleware_refuses(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	two := ratelimit.Limit{Name: "address", Burst: 2, Per: 3 * time.Second}
	l := newLimiter(t, ratelimit.Config{
		Now:   func() time.Time { return now },
		Rules: []ratelimit.Rule{{Limit: two, Key: ratelimit.ByAddress}},
	})
	h := l.Middleware(ok)
	for range 2 {
		if w := ask(h, "GET /", "192.0.2.1:1"); w.Code != http.StatusOK || w.Header().Get("RateLimit") != "" {
			t.Fatalf("%d %v", w.Code, w.Header())
		}
	}
	now = now.Add(time.Millisecond)
	w := ask(h, "GET /", "192.0.2.1:2")
	for name, want := range map[string]string{
		"Retry-After": "2", "RateLimit-Policy": `"address";q=2;w=3`, "RateLimit": `"address";r=0;t=3`,
		"Content-Type": "application/problem+json", "Cache-Control": "no-store",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	var p map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Code != http.StatusTooManyRequests ||
		p["status"] != 429.0 || p["code"] != "rate_limited" || p["title"] != "Too Many Requests" ||
		p["type"] != "about:blank" || p["detail"] == "" || len(p) != 5 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(h, "GET /", "192.0.2.2:1"); w.Code != http.StatusOK {
		t.Errorf("another address: %d", w.Code)
	}
	now = now.Add(2 * time.Second)
	if w := ask(h, "GET /", "192.0.2.1:1"); w.Code != http.StatusOK {
		t.Errorf("after Retry-After: %d", w.Code)
	}
}

func TestMiddleware_keysAndCosts(t *testing.T) {
	byForwarded := ratelimit.ByAddressFrom(func(r *http.Request) string { return r.Header.Get("X-Real-IP") })
	ofTheProxy := func(r *http.Request) string {
		if r.Header.Get("X-Real-IP") == "" {
			return "" // not counted
		}
		return byForwarded(r)
	}
	five := ratelimit.Limit{Name: "five", Burst: 5, Per: time.Hour}
	two := ratelimit.Limit{Name: "two", Burst: 2, Per: time.Hour}
	l := newLimiter(t, ratelimit.Config{Rules: []ratelimit.Rule{
		{Limit: five, Key: ratelimit.Together(ratelimit.ByRoute, ratelimit.ByAddress), Cost: func(r *http.Request) int {
			if r.Method == http.MethodPost {
				return 3
			}
			return 1
		}},
		{Limit: two, Key: ofTheProxy},
	}})
	mux := http.NewServeMux()
	mux.Handle("/cheap", l.Middleware(ok))
	mux.Handle("POST /dear", l.Middleware(ok))
	for i, want := range []int{200, 200, 200, 200, 200, 429} {
		if w := ask(mux, "GET /cheap", "192.0.2.1:1"); w.Code != want {
			t.Fatalf("cheap %d: %d", i, w.Code)
		}
	}
	for i, want := range []int{200, 429} { // another route has another count
		if w := ask(mux, "POST /dear", "192.0.2.1:1"); w.Code != want {
			t.Fatalf("dear %d: %d", i, w.Code)
		}
	}
	for i, want := range []int{200, 200, 429} { // by the address that the proxy gives
		r := httptest.NewRequest("GET", "/cheap", nil)
		r.RemoteAddr = "192.0.2.9:1"
		r.Header.Set("X-Real-IP", fmt.Sprintf("2001:db8::%d", i))
		w := httptest.NewRecorder()
		if mux.ServeHTTP(w, r); w.Code != want {
			t.Fatalf("behind a proxy %d: %d %s", i, w.Code, w.Header().Get("RateLimit"))
		}
	}
}

func TestMiddleware_refusalIsReplaceable(t *testing.T) {
	one := ratelimit.Limit{Name: "one", Burst: 1, Per: time.Hour}
	l := newLimiter(t, ratelimit.Config{
		Rules: []ratelimit.Rule{{Limit: one, Key: ratelimit.ByAddress}},
		Refuse: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusTeapot)
		},
	})
	ask(l.Middleware(ok), "GET /", "192.0.2.1:1")
	if w := ask(l.Middleware(ok), "GET /", "192.0.2.1:1"); w.Code != http.StatusTeapot ||
		!strings.Contains(w.Body.String(), "the limit one is reached") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestMiddleware_whenTheStoreIsAway(t *testing.T) {
	store := &broken{Memory: ratelimit.NewMemory(0)}
	store.away.Store(true)
	l := newLimiter(t, ratelimit.Config{
		Store: store, StoreFailure: ratelimit.RefuseAll,
		Rules: []ratelimit.Rule{{Limit: perMinute, Key: ratelimit.ByAddress}},
	})
	w := ask(l.Middleware(ok), "GET /", "192.0.2.1:1")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" ||
		!strings.Contains(w.Body.String(), `"code":"store_unavailable"`) {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestAddressKey(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7":                "192.0.2.7",
		"::ffff:192.0.2.7":         "192.0.2.7",
		"2001:db8:1:2:3:4:5:6":     "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::%eth0": "2001:db8:1:2::/64",
		"2001:db8::1":              "2001:db8:0:0::/64",
		"2001:db8:0:0:1:2:3:4":     "2001:db8:0:0::/64",
		"2001:DB8:0:00:1:2:3:4":    "2001:db8:0:0::/64",
		"::1":                      "0:0:0:0::/64",
		"fe80::1%eth0":             "fe80:0:0:0::/64",
		"a:b":                      "a:b",
		"12345:1:1:1:1:1:1:1":      "12345:1:1:1:1:1:1:1",
		"@":                        "@",
		"":                         "",
		strings.Repeat("x", 100):   strings.Repeat("x", 64),
	} {
		if got := ratelimit.AddressKey(address); got != want {
			t.Errorf("AddressKey(%s) = %s, want %s", address, got, want)
		}
	}
}

// However an address is written, it is counted as the network that it is in.
func TestAddressKey_ofEverySpelling(t *testing.T) {
	networks := map[string]netip.Prefix{}
	for range 20_000 {
		var b [16]byte
		for i := range b {
			b[i] = byte(rand.Uint32() & rand.Uint32() & rand.Uint32()) // many zeros
		}
		address := netip.AddrFrom16(b)
		if address.Is4In6() {
			continue
		}
		key := ratelimit.AddressKey(address.String())
		for _, text := range []string{address.StringExpanded(), strings.ToUpper(address.String())} {
			if other := ratelimit.AddressKey(text); other != key {
				t.Fatalf("AddressKey(%s) = %s, and of %s = %s", address, key, text, other)
			}
		}
		network, _ := address.Prefix(64)
		if known, there := networks[key]; there && known != network {
			t.Fatalf("%s and %s are both %s", network, known, key)
		}
		networks[key] = network
		if parsed, err := netip.ParsePrefix(key); err != nil || parsed != network {
			t.Fatalf("AddressKey(%s) = %s, which is %v (%v)", address, key, parsed, err)
		}
	}
}

// Who has no address is counted, with all others that have none.
func TestByAddress_isNeverEmpty(t *testing.T) {
	none := ratelimit.ByAddressFrom(func(*http.Request) string { return "" })
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = ""
	if a, b := ratelimit.ByAddress(r), none(r); a == "" || a != b {
		t.Errorf("the keys are %q and %q", a, b)
	}
}

func TestTogether_keepsPartsApart(t *testing.T) {
	constant := func(s string) func(*http.Request) string { return func(*http.Request) string { return s } }
	a := ratelimit.Together(constant("a 1"), constant("b"))(nil)
	if b := ratelimit.Together(constant("a"), constant("1 b"))(nil); a == b {
		t.Errorf("two pairs have the key %q", a)
	}
	if k := ratelimit.Together(constant("a"), constant(""))(nil); k != "" {
		t.Errorf("a part is missing, and the key is %q", k)
	}
}

func BenchmarkMiddleware(b *testing.B) {
	l := newLimiter(b, ratelimit.Config{Rules: []ratelimit.Rule{
		{Limit: ratelimit.Limit{Name: "wide", Burst: 1e9, Per: time.Second}, Key: ratelimit.ByAddress},
	}})
	nothing := l.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequest("GET", "/", nil)
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		nothing.ServeHTTP(w, r)
	}
}
