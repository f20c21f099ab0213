package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/examples/internal/exampletest"
	"github.com/hallpass-go/hallpass/hallpasstest"
)

// service is the example beside a server with those routes of hallpass serve that it uses.
type service struct {
	t      *testing.T
	url    string
	tokens map[string]string
}

var roles = map[string][]string{"alice": {"user"}, "bob": {"user"}, "root": {"admin"}}

func start(t *testing.T) *service {
	t.Helper()
	kit := hallpasstest.New[struct{}](t)
	auth := kit.Auth(hallpass.Config[struct{}]{
		Authorize: func(_ context.Context, subject string) (hallpass.Grant[struct{}], error) {
			return hallpass.Grant[struct{}]{Roles: roles[subject]}, nil
		},
	})
	mux := http.NewServeMux()
	mux.Handle("GET /.well-known/jwks.json", auth.JWKS())
	mux.Handle("GET /v1/revocations", auth.RevocationPages())
	issuer := httptest.NewServer(mux)
	t.Cleanup(issuer.Close)
	p := exampletest.Start(t, run, "-db", filepath.Join(t.TempDir(), "posts.db"),
		"-server", issuer.URL, "-issuer", kit.Issuer, "-audience", kit.Audience)
	s := &service{t, p.URL, map[string]string{}}
	for _, name := range []string{"alice", "bob", "root"} {
		tokens, err := auth.StartSession(t.Context(), name, hallpass.Client{})
		if err != nil {
			t.Fatal(err)
		}
		s.tokens[name] = tokens.AccessToken
	}
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) { // until the feed has answered
		if status, _, _ := s.do("alice", "GET /posts/0", ""); status == http.StatusNotFound {
			return s
		}
		if time.Since(begin) > 10*time.Second {
			t.Fatal("never let in")
		}
	}
}

func (s *service) do(who, request, body string, fields ...string) (int, http.Header, string) {
	s.t.Helper()
	method, path, _ := strings.Cut(request, " ")
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if token := s.tokens[who]; token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Set(name, value)
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return a.StatusCode, a.Header, string(text)
}

func (s *service) want(status int, who, request, body string) (http.Header, string) {
	s.t.Helper()
	got, header, text := s.do(who, request, body)
	if got != status {
		s.t.Fatalf("%s of %s: %d %s, want %d", request, who, got, text, status)
	}
	return header, text
}

func titled(title string) string { return `{"title":"` + title + `","text":"text"}` }

func TestPosts_belongToTheirAuthors(t *testing.T) {
	s := start(t)
	header, _ := s.want(201, "alice", "POST /posts", titled("first"))
	one := header.Get("Location")
	s.want(401, "", "GET "+one, "")
	for _, method := range []string{"PUT ", "DELETE "} {
		s.want(403, "bob", method+one, titled("bob's"))
		s.want(401, "", method+one, titled("nobody's"))
		s.want(404, "bob", method+"/posts/999", titled("bob's"))
		s.want(404, "root", method+"/posts/999", titled("bob's"))
	}
	s.want(422, "alice", "PUT "+one, `{"title":"only"}`)
	s.want(200, "root", "PUT "+one, titled("root's"))
	_, text := s.want(200, "bob", "GET "+one, "")
	if !strings.Contains(text, "root's") || !strings.Contains(text, `"author":"alice"`) {
		t.Error(text)
	}
	s.want(204, "alice", "DELETE "+one, "")
	s.want(404, "bob", "GET "+one, "")
}

func TestPosts_areKeptUntilTheyChange(t *testing.T) {
	s := start(t)
	header, _ := s.want(201, "alice", "POST /posts", titled("first"))
	one := header.Get("Location")
	first, _ := s.want(200, "bob", "GET "+one, "")
	again, _ := s.want(200, "bob", "GET "+one, "")
	if !strings.Contains(first.Get("Cache-Status"), "stored") || !strings.Contains(again.Get("Cache-Status"), "hit") {
		t.Errorf("%v, then %v", first, again)
	}
	same := "If-None-Match: " + first.Get("ETag")
	if status, _, text := s.do("bob", "GET "+one, "", same); status != http.StatusNotModified || text != "" {
		t.Errorf("%d %s", status, text)
	}
	s.want(401, "", "GET "+one, "")
	s.want(404, "bob", "GET /posts/01", "") // or it would be kept by another name
	s.want(200, "alice", "PUT "+one, titled("second"))
	for _, path := range []string{one, "/posts"} {
		if _, text := s.want(200, "bob", "GET "+path, ""); !strings.Contains(text, "second") {
			t.Errorf("%s after the write: %s", path, text)
		}
	}
}

func TestPosts_comeInPages(t *testing.T) {
	s := start(t)
	for n := range 5 {
		s.want(201, "alice", "POST /posts", titled(fmt.Sprint(n)))
	}
	var seen []string
	for cursor := ""; ; {
		_, text := s.want(200, "bob", "GET /posts?limit=2"+cursor, "")
		var page list
		if err := json.Unmarshal([]byte(text), &page); err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Items {
			seen = append(seen, p.Title)
		}
		if page.Next == nil {
			break
		}
		cursor = "&cursor=" + *page.Next
	}
	if got := strings.Join(seen, ""); got != "43210" {
		t.Errorf("the pages have %s", got)
	}
	for _, query := range []string{"limit=0", "limit=201", "cursor=x", "cursor=-1", "page=2", "limit=1&limit=2"} {
		s.want(400, "bob", "GET /posts?"+query, "")
	}
}

// Each user may write so often, and no other feels it.
func TestPosts_areLimitedByUser(t *testing.T) {
	s := start(t)
	for n := 0; ; n++ {
		status, header, text := s.do("alice", "POST /posts", titled("more"))
		if status == http.StatusTooManyRequests {
			if n < 60 || header.Get("Retry-After") != "1" || !strings.Contains(text, "rate_limited") {
				t.Errorf("after %d: %v %s", n, header, text)
			}
			break
		}
		if n > 1000 {
			t.Fatal("never refused")
		}
	}
	s.want(201, "bob", "POST /posts", titled("bob's"))
	s.want(200, "alice", "GET /posts", "")
}
