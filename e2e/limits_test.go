//go:build linux

package e2e

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// from sends one request from an address of this machine and returns the status of the answer.
func (s *server) from(ip, path, body string) int {
	s.t.Helper()
	c, err := dialFrom(ip, strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	return c.ask(rawPost(path, body))
}

// Two hundred guesses at once at one account, half of which hang up before the answer: no more reach
// the hash than the limit says. The owner gets in from where they have logged in before, and guesses
// from another address go on being refused.
func TestLimits_parallelGuesses(t *testing.T) {
	t.Parallel()
	s := serve(t, "--login-limit-account=10/1h", "--log-level=info")
	s.signUp("alice")
	right := object("username", "alice", "password", passwordOf("alice"))
	wrong := object("username", "alice", "password", "wrong")
	const home, elsewhere = "127.9.3.1", "127.9.3.2"
	if status := s.from(home, "/v1/login", right); status != 200 {
		t.Fatalf("the first login is answered %d", status)
	}
	var mu sync.Mutex
	var guesses sync.WaitGroup
	answers := map[int]int{}
	for i, ip := range addressesOf("127.8.3", 200) {
		guesses.Go(func() {
			c, err := dialFrom(ip, strings.TrimPrefix(s.URL, "http://"))
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if i%2 == 0 { // and is gone
				_, _ = c.Write(rawPost("/v1/login", wrong))
				return
			}
			status := c.ask(rawPost("/v1/login", wrong))
			mu.Lock()
			defer mu.Unlock()
			answers[status]++
		})
	}
	guesses.Wait()
	if answers[401] > 10 || answers[401]+answers[429] != 100 {
		t.Errorf("the answers were %v", answers)
	}
	if status := s.from(elsewhere, "/v1/login", right); status != 429 {
		t.Errorf("from an address that nobody knows: %d", status)
	}
	if status := s.from(home, "/v1/login", right); status != 200 {
		t.Errorf("the owner, from home: %d", status)
	}
	if status := s.from(elsewhere, "/v1/login", wrong); status != 429 {
		t.Errorf("the owner's success cleared the count: %d", status)
	}
	reached := 0 // also of those who hung up
	for line := range strings.Lines(s.log.String()) {
		if strings.Contains(line, "msg=request") &&
			(strings.Contains(line, "code=invalid_credentials") || strings.Contains(line, "authenticating: ")) {
			reached++
		}
	}
	if reached == 0 || reached > 10 {
		t.Errorf("%d guesses reached the hash", reached)
	}
}

// After a restart too, the owner gets in from where they have logged in before.
func TestLimits_ownersAreKnownAfterARestart(t *testing.T) {
	t.Parallel()
	s := serve(t, "--login-limit-account=3/1h")
	s.signUp("alice")
	const home, elsewhere = "127.9.4.1", "127.9.4.2"
	right := object("username", "alice", "password", passwordOf("alice"))
	if status := s.from(home, "/v1/login", right); status != 200 {
		t.Fatalf("the first login is answered %d", status)
	}
	s.kill()
	s.start()
	for i, want := range []int{401, 401, 401, 429} {
		if status := s.from(elsewhere, "/v1/login", object("username", "alice", "password", "wrong")); status != want {
			t.Errorf("guess %d is answered %d", i, status)
		}
	}
	if status := s.from(home, "/v1/login", right); status != 200 {
		t.Errorf("the owner, from home: %d", status)
	}
}

// A limit can be set by the environment, and turned off.
func TestLimits_areSettings(t *testing.T) {
	t.Parallel()
	s := &server{
		t: t, program: binary, data: t.TempDir() + "/data", log: &lockedBuffer{},
		env: []string{"HALLPASS_REFRESH_LIMIT=2/1h", "HALLPASS_SIGNUP_LIMIT=off"},
	}
	s.start()
	t.Cleanup(s.kill)
	alice := s.join("alice")
	token := alice.Refresh
	for range 2 {
		token = s.refresh(token).want(200, "").str("refresh_token")
	}
	got := s.refresh(token).want(429, "rate_limited")
	if limit := got.Header.Get("RateLimit-Policy"); limit != `"refresh";q=2;w=3600` {
		t.Errorf("RateLimit-Policy: %s", limit)
	}
	s.refresh(s.login("alice").Refresh).want(200, "") // another session
	for n := range 30 {
		tooShort := object("username", fmt.Sprint("user", n), "password", "x")
		if status := s.from("127.8.4.1", "/v1/users", tooShort); status != 422 {
			t.Fatalf("sign-up %d is answered %d", n, status)
		}
	}
}
