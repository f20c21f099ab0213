//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// clientFrom is a client whose connections come from an address of 127.0.0.0/8, all of which are
// this machine's on Linux.
func clientFrom(ip string) *http.Client {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}, Timeout: 5 * time.Second}
	return &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 64},
	}
}

// post sends a JSON body and returns the status, or 0 when there is no answer.
func post(c *http.Client, url, body string) int {
	resp, err := c.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return 0
	}
	return resp.StatusCode
}

// flood sends hostile sign-ups and log-ins, in turn, 500 a second in all, until stop is closed. It
// does not wait for answers.
func flood(s *server, clients []*http.Client, stop <-chan struct{}) map[int]int {
	answers := map[int]int{}
	var (
		mu       sync.Mutex // guards answers
		group    sync.WaitGroup
		inFlight atomic.Int64
	)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-stop:
			group.Wait()
			return answers
		case <-tick.C:
		}
		if inFlight.Load() > 2000 {
			continue // nothing is answered any more
		}
		inFlight.Add(1)
		group.Go(func() {
			defer inFlight.Add(-1)
			path, name := "/v1/users", fmt.Sprint("hostile", i)
			if i%2 == 1 {
				path, name = "/v1/login", fmt.Sprint("hostile", i%1000)
			}
			status := post(clients[i/2%len(clients)], s.URL+path,
				object("username", name, "password", "a password of the flood"))
			mu.Lock()
			defer mu.Unlock()
			answers[status]++
		})
	}
}

// honestLogins logs alice in 20 times and returns how long each took, shortest first.
func honestLogins(t *testing.T, s *server, c *http.Client) []time.Duration {
	t.Helper()
	var took []time.Duration
	for i := range 20 {
		time.Sleep(25 * time.Millisecond)
		started := time.Now()
		if status := post(c, s.URL+"/v1/login", object("username", "alice", "password",
			passwordOf("alice"))); status != http.StatusOK {
			t.Errorf("honest log-in %d is answered %d", i, status)
		}
		took = append(took, time.Since(started))
	}
	slices.Sort(took)
	return took
}

// Beside 500 hostile sign-ups and log-ins a second, from one address or from 64, everybody else
// logs in.
func TestFlood_leavesOthersTheirLogins(t *testing.T) {
	for _, addresses := range []int{1, 64} {
		t.Run(fmt.Sprint("from ", addresses), func(t *testing.T) {
			s := serve(t)
			s.signUp("alice")
			honest := clientFrom("127.9.0.1")
			calm := honestLogins(t, s, honest)
			var hostile []*http.Client
			for i := range addresses {
				hostile = append(hostile, clientFrom(fmt.Sprint("127.1.0.", i+1)))
			}
			stop, done := make(chan struct{}), make(chan map[int]int)
			go func() { done <- flood(s, hostile, stop) }()
			time.Sleep(time.Second)
			stormy := honestLogins(t, s, honest)
			close(stop)
			t.Logf(
				"log-ins of the others, calm: median %v, longest %v; beside the flood: median "+
					"%v, longest %v; the flood was answered %v",
				calm[10],
				calm[19],
				stormy[10],
				stormy[19],
				<-done,
			)
			// How much longer they take is for a quiet machine to say: passwords are hashed at low
			// priority, and other tests may run beside this one.
		})
	}
}
