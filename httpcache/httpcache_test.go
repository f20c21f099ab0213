package httpcache_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/httpcache"
)

func TestMiddleware_answersFromMemory(t *testing.T) {
	f := newFixture(t, httpcache.Route{}, counted())
	first := f.do("GET /a?x=1", alice)
	f.clock.Advance(2500 * time.Millisecond)
	again := f.do("GET /a?x=1", alice)
	f.wantCalls(1)
	for name, want := range map[string][2]string{
		"Cache-Control":  {"private, no-cache", "private, no-cache"},
		"Content-Type":   {"text/plain; charset=utf-8", "text/plain; charset=utf-8"},
		"Content-Length": {"8", "8"},
		"Cache-Status":   {"hallpass; fwd=uri-miss; stored", "hallpass; hit; ttl=57"},
		"Age":            {"", "2"},
		"Date":           {"Fri, 02 Jan 2026 03:04:05 GMT", "Fri, 02 Jan 2026 03:04:05 GMT"},
	} {
		if got := [2]string{first.Header().Get(name), again.Header().Get(name)}; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	etag := first.Header().Get("ETag")
	if len(etag) != 24 || etag != again.Header().Get("ETag") || first.Body.String() != again.Body.String() {
		t.Errorf("the two answers differ: %v %v", first, again)
	}
	head := f.do("HEAD /a?x=1", alice)
	if head.Code != 200 || head.Body.Len() != 0 || head.Header().Get("Content-Length") != "8" {
		t.Errorf("HEAD: %v", head)
	}
	f.wantCalls(1)
	f.do("GET /a?x=2", alice)
	f.do("GET /b?x=1", alice)
	f.do("GET http://other.example/a?x=1", alice)
	f.wantCalls(4)
	f.clock.Advance(time.Minute)
	if w := f.do("GET /a?x=1", alice); w.Header().Get("Cache-Status") != "hallpass; fwd=stale; stored" {
		t.Errorf("after the TTL: %v", w.Header())
	}
	f.wantCalls(5)
}

func TestMiddleware_isPrivate(t *testing.T) {
	f := newFixture(t, httpcache.Route{}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("for " + user(r)))
	}, func(c *httpcache.Config) { c.Credentials = []string{"x-api-key"} })
	for range 2 {
		for _, who := range []string{"alice", "bob"} {
			if got := f.do("GET /", "User: "+who).Body.String(); got != "for "+who {
				t.Errorf("%s gets what is %s", who, got)
			}
		}
	}
	f.wantCalls(2)
	for name, c := range map[string]struct{ header, because string }{
		"nobody":  {"Accept: */*", "no-identity"},
		"token":   {"Authorization: Bearer x", "credentials"},
		"cookie":  {"Cookie: session=x", "credentials"},
		"api key": {"X-API-Key: x", "credentials"},
	} {
		for range 2 {
			w := f.do("GET /", c.header)
			if got := w.Header().Get("Cache-Status"); got != "hallpass; fwd=bypass; detail="+c.because {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
	f.wantCalls(2 + 8)
}

// Whoever has credentials that nobody has verified shares only what says that it is for everybody.
func TestRoute_sharesOnlyIfItSaysSo(t *testing.T) {
	for name, c := range map[string]struct {
		control string
		calls   int64
	}{
		"":                        {"", 1 + 2}, // who asks without credentials, and each who has some
		"public":                  {"public", 1},
		"for shared caches":       {"s-maxage=60", 1},
		"must-revalidate":         {"must-revalidate, max-age=60", 1},
		"private all the same":    {"private", 6},
		"nobody without a time":   {"public, max-age=0", 6},
		"nobody but each by asks": {"public, no-store", 6},
	} {
		f := newFixture(t, httpcache.Route{Shared: true}, func(w http.ResponseWriter, _ *http.Request) {
			if c.control != "" {
				w.Header().Set("Cache-Control", c.control)
			}
		})
		for range 2 {
			f.do("GET /")
			f.do("GET /", alice)
			f.do("GET /", "Authorization: Bearer x")
		}
		if got := f.calls.Load(); got != c.calls {
			t.Errorf("%s: %d calls, want %d", name, got, c.calls)
		}
	}
}

// What is made for somebody with credentials is not given to who has none.
func TestRoute_sharesNothingOfAStranger(t *testing.T) {
	f := newFixture(t, httpcache.Route{Shared: true}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("for " + r.Header.Get("Cookie")))
	})
	f.do("GET /", "Cookie: session=x")
	if got := f.do("GET /").Body.String(); got != "for " {
		t.Error(got)
	}
}

func TestMiddleware_keepsOnlyWhatMayBeKept(t *testing.T) {
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		because string // "" if it is kept
	}{
		"a status":         {status(404, ""), "status"},
		"an error":         {status(500, ""), "status"},
		"no content":       {status(204, ""), "status"},
		"a part":           {status(206, ""), "status"},
		"no-store":         {fields("Cache-Control", "max-age=60, No-Store"), "no-store"},
		"no-cache":         {fields("Cache-Control", "no-cache"), "no-cache"},
		"a cookie":         {fields("Set-Cookie", "a=b"), "set-cookie"},
		"vary by all":      {fields("Vary", "Accept, *"), "vary"},
		"vary by many":     {fields("Vary", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"), "vary"},
		"a range":          {fields("Content-Range", "bytes 0-1/2"), "partial"},
		"a trailer":        {fields("Trailer", "Sum"), "trailer"},
		"late trailer":     {lateTrailer, "header"},
		"too large":        {bytes(101), "too-large"},
		"said too large":   {fields("Content-Length", "101"), "too-large"},
		"cut off":          {fields("Content-Length", "7"), "incomplete"},
		"a stream":         {stream, "stream"},
		"expired":          {fields("Cache-Control", "max-age=0"), "expired"},
		"expired by date":  {fields("Expires", "0"), "expired"},
		"unreadable age":   {fields("Cache-Control", "max-age=soon"), "expired"},
		"removed a field":  {func(w http.ResponseWriter, _ *http.Request) { w.Header().Del("Outer") }, "header"},
		"a private answer": {fields("Cache-Control", "private, max-age=60"), ""},
		"just large":       {bytes(100), ""},
	} {
		f := newFixture(t, httpcache.Route{}, c.answer, func(c *httpcache.Config) { c.MaxBody = 100 })
		inner := f.handler
		f.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Outer", "per request")
			inner.ServeHTTP(w, r)
		})
		status := f.do("GET /", alice).Header().Get("Cache-Status")
		again := f.do("GET /", alice).Header().Get("Cache-Status")
		want := "hallpass; fwd=uri-miss; detail=" + c.because
		if c.because == "" {
			if f.calls.Load() != 1 {
				t.Errorf("%s is not kept: %s, %s", name, status, again)
			}
		} else if status != want || again != want || f.calls.Load() != 2 {
			t.Errorf("%s: %s, then %s, after %d calls", name, status, again, f.calls.Load())
		}
	}
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}
}

func bytes(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, n)) }
}

func fields(name, value string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(name, value)
		_, _ = w.Write([]byte("answer"))
	}
}

func lateTrailer(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write([]byte("answer"))
	w.Header().Set(http.TrailerPrefix+"Sum", "1")
}

func stream(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write([]byte("first"))
	_ = http.NewResponseController(w).Flush()
	_, _ = w.Write([]byte(", second"))
}

// What passes by arrives as the handler has written it.
func TestMiddleware_passesOnUnchanged(t *testing.T) {
	f := newFixture(t, httpcache.Route{}, stream)
	if w := f.do("GET /", alice); w.Body.String() != "first, second" || !w.Flushed {
		t.Errorf("a stream: %v", w)
	}
	f = newFixture(t, httpcache.Route{}, status(404, "nothing here"))
	if w := f.do("GET /", alice); w.Code != 404 || w.Body.String() != "nothing here" {
		t.Errorf("an error: %v", w)
	}
	f = newFixture(t, httpcache.Route{}, func(w http.ResponseWriter, _ *http.Request) {
		for range 100 {
			_, _ = w.Write([]byte(strings.Repeat("x", 100)))
		}
	}, func(c *httpcache.Config) { c.MaxBody = 950 })
	if w := f.do("GET /", alice); w.Body.Len() != 10_000 {
		t.Errorf("a large answer has %d bytes", w.Body.Len())
	}
}

func TestMiddleware_passesByWhatIsNotARead(t *testing.T) {
	f := newFixture(t, httpcache.Route{}, counted())
	for name, request := range map[string][]string{
		"a write":     {"POST /", alice},
		"a range":     {"GET /", alice, "Range: bytes=0-1"},
		"a condition": {"GET /", alice, `If-Match: "a"`},
		"an upgrade":  {"GET /", alice, "Upgrade: websocket"},
		"no-store":    {"GET /", alice, "Cache-Control: no-store"},
	} {
		before := f.calls.Load()
		f.do(request[0], request[1:]...)
		f.do(request[0], request[1:]...)
		if n := f.calls.Load() - before; n != 2 {
			t.Errorf("%s: %d calls", name, n)
		}
	}
}

func TestMiddleware_obeysTheRequest(t *testing.T) {
	f := newFixture(t, httpcache.Route{}, counted())
	if w := f.do("GET /", alice, "Cache-Control: only-if-cached"); w.Code != http.StatusGatewayTimeout {
		t.Errorf("only-if-cached of nothing: %v", w)
	}
	f.do("GET /", alice)
	if w := f.do("GET /", alice, "Cache-Control: no-cache"); w.Body.String() != "answer 2" {
		t.Errorf("no-cache: %v", w)
	}
	if w := f.do("GET /", alice, "Cache-Control: only-if-cached"); w.Body.String() != "answer 2" {
		t.Errorf("only-if-cached: %v", w)
	}
}

func TestMiddleware_knowsWhatTheClientHas(t *testing.T) {
	f := newFixture(t, httpcache.Route{}, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") != "" || r.Header.Get("If-Modified-Since") != "" {
			t.Error("the handler sees the condition")
		}
		w.Header().Set("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
		w.Header().Set("Mine", "kept")
		_, _ = w.Write([]byte("text"))
	})
	etag := f.do("GET /other", alice).Header().Get("ETag")
	for name, c := range map[string]struct {
		header string
		status int
	}{
		"the same":           {"If-None-Match: " + etag, 304},
		"weak":               {"If-None-Match: W/" + etag, 304},
		"in a list":          {`If-None-Match: "a,b", ` + etag, 304},
		"any":                {"If-None-Match: *", 304},
		"another":            {`If-None-Match: "another"`, 200},
		"garbage":            {"If-None-Match: " + strings.Trim(etag, `"`), 200},
		"open":               {`If-None-Match: "`, 200},
		"since":              {"If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT", 304},
		"since long ago":     {"If-Modified-Since: Wed, 31 Dec 2025 00:00:00 GMT", 200},
		"since at no time":   {"If-Modified-Since: yesterday", 200},
		"on two lines":       {"If-None-Match: \"a\"\nIf-None-Match: " + etag, 304},
		"without the header": {"Accept: */*", 200},
	} {
		for _, method := range []string{"GET", "GET", "HEAD"} { // made, kept, without a body
			w := f.do(method+" /"+strings.ReplaceAll(name, " ", "-"), append(strings.Split(c.header, "\n"), alice)...)
			if w.Code != c.status {
				t.Errorf("%s: %s is %d, want %d", name, method, w.Code, c.status)
			}
			if w.Code == 304 && (w.Body.Len() > 0 || w.Header().Get("Content-Type") != "" ||
				w.Header().Get("ETag") != etag || w.Header().Get("Mine") != "kept") {
				t.Errorf("%s: %v", name, w)
			}
		}
	}
}

// An answer that is not kept is 304 all the same if it has the tag.
func TestMiddleware_comparesTagsOfWhatItDoesNotKeep(t *testing.T) {
	f := newFixture(t, httpcache.Route{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"large"`)
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write(make([]byte, 1000))
	}, func(c *httpcache.Config) { c.MaxBody = 100 })
	if w := f.do("GET /", alice, `If-None-Match: "large"`); w.Code != 304 || w.Body.Len() != 0 {
		t.Errorf("%d with %d bytes", w.Code, w.Body.Len())
	}
}

func TestMiddleware_choosesByVary(t *testing.T) {
	f := newFixture(t, httpcache.Route{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "accept-language, Authorization")
		_, _ = w.Write([]byte(r.Header.Get("Accept-Language")))
	})
	for range 2 {
		for _, language := range []string{"en", "de", ""} {
			w := f.do("GET /", alice, "Accept-Language: "+language, "Authorization: Bearer "+language)
			if w.Body.String() != language {
				t.Errorf("%q gets %q", language, w.Body)
			}
		}
	}
	f.wantCalls(3)
	// The identity stands for the token.
	f.do("GET /", alice, "Accept-Language: en", "Authorization: Bearer refreshed")
	f.wantCalls(3)
	f.do("GET /", bob, "Accept-Language: en", "Authorization: Bearer en")
	f.wantCalls(4)
}

// The order of parameters means nothing only where the route says so, and never for one name.
func TestRoute_anyOrder(t *testing.T) {
	queries := []string{"a=1&b=2", "b=2&a=1", "%61=1&b=2", "a=1&a=2", "a=2&a=1", "a=1;b=2", "a;b", "", "a=%zz"}
	for anyOrder, want := range map[bool]int64{false: 9, true: 7} {
		f := newFixture(t, httpcache.Route{AnyOrder: anyOrder}, counted())
		for range 2 {
			for _, query := range queries {
				f.do("GET /?"+query, alice)
			}
		}
		f.wantCalls(want)
	}
}

func TestInvalidate_endsAnswersWithTheTag(t *testing.T) {
	f := newFixture(t, httpcache.Route{
		StaleFor: time.Hour,
		Tags:     func(r *http.Request) []string { return []string{"path:" + r.URL.Path} },
	}, func(w http.ResponseWriter, r *http.Request) {
		httpcache.Tag(r.Context(), "all")
		_, _ = w.Write([]byte("x"))
	})
	want := func(calls int64, tags ...string) {
		t.Helper()
		if err := f.cache.Invalidate(t.Context(), tags...); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			f.do("GET /a", alice)
			f.do("GET /b", alice)
		}
		f.wantCalls(calls)
	}
	want(2)
	want(2, "path:/c")
	want(3, "path:/a")
	want(5, "path:/a", "path:/b")
	want(7, "all")
	httpcache.Tag(context.Background(), "nothing") // without a cache
}

func TestNew_namesAllMistakes(t *testing.T) {
	_, err := httpcache.New(httpcache.Config{TTL: -1, Name: "a b"})
	if err == nil || !strings.Contains(err.Error(), "TTL") || !strings.Contains(err.Error(), "letters") {
		t.Error(err)
	}
}

func TestMiddleware_saysWhatIsPrivate(t *testing.T) {
	for said, want := range map[string]string{
		"max-age=60":                      "private, max-age=60",
		"private, max-age=5":              "private, max-age=5",
		"public, max-age=60, s-maxage=60": "private, max-age=60",
	} {
		f := newFixture(t, httpcache.Route{}, fields("Cache-Control", said))
		for range 2 {
			if got := f.do("GET /", alice).Header().Get("Cache-Control"); got != want {
				t.Errorf("%s becomes %s, want %s", said, got, want)
			}
		}
		f.wantCalls(1)
	}
}
