//go:build linux

package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var stormFor = flag.Duration("storm", 3*time.Second, "how long the storm of log-ins lasts")

// steady is a kind of request that comes at a constant rate, whether or not those before are
// answered.
type steady struct {
	name    string
	every   time.Duration
	callers int // connections; one each
	send    func(caller, n int, c *rawConnection) (status int, retryAfter bool)

	mu       sync.Mutex
	took     []time.Duration
	statuses map[int]int
	lost     atomic.Int32 // callers that could not connect
	bare     int          // refusals with 5xx that do not say when to come again
}

// run sends until stop is closed, from when everybody is ready, and returns when all have been
// answered.
func (k *steady) run(address string, ready *sync.WaitGroup, stop <-chan struct{}) {
	k.took, k.statuses, k.bare = nil, map[int]int{}, 0
	due := make(chan time.Time, 100_000)
	var callers, connected sync.WaitGroup
	connected.Add(k.callers)
	for caller := range k.callers {
		callers.Go(func() {
			c, err := dialFrom(fmt.Sprintf("127.3.%d.%d", caller/250, caller%250+1), address)
			connected.Done()
			if err != nil {
				k.lost.Add(1)
				return
			}
			defer c.Close()
			n := 0
			for at := range due {
				status, retryAfter := k.send(caller, n, c)
				n++
				k.mu.Lock()
				k.took = append(k.took, time.Since(at)) // with the time that it waited for a free caller
				k.statuses[status]++
				if status >= 500 && (status != http.StatusServiceUnavailable || !retryAfter) {
					k.bare++
				}
				k.mu.Unlock()
			}
		})
	}
	connected.Wait()
	ready.Done()
	ready.Wait()
	for begin, n := time.Now(), 0; !isClosed(stop); n++ {
		at := begin.Add(time.Duration(n) * k.every)
		time.Sleep(time.Until(at))
		due <- at
	}
	close(due)
	callers.Wait()
	slices.Sort(k.took)
}

func (k *steady) at(percent int) time.Duration { return k.took[len(k.took)*percent/100] }

// exchange is [rawConnection.ask], with the body of the answer.
func (c *rawConnection) exchange(request []byte) (status int, body []byte, retryAfter bool) {
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := c.Write(request); err != nil {
		return 0, nil, false
	}
	resp, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return 0, nil, false
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, false
	}
	return resp.StatusCode, body, resp.Header.Get("Retry-After") != ""
}

// startBare starts a server that does nothing, as a process of its own.
func startBare(t *testing.T) (address string) {
	t.Helper()
	built := filepath.Join(t.TempDir(), "bare")
	if out, err := exec.Command("go", "build", "-o", built, "./testdata/bare").CombinedOutput(); err != nil {
		t.Fatalf("building a bare server: %v %s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), built)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err == nil {
		_, err = fmt.Fscanln(out, &address)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // the context has ended by then
	return address
}

// stormLimits turn off what would refuse the test's own requests.
var stormLimits = []string{"--login-limit-account=off", "--login-limit-address=off", "--request-limit-user=off",
	"--refresh-limit=off", "--max-sessions=0"}

// A storm of 500 log-ins a second takes down nobody. GETs and refreshes are answered beside it, log-ins
// are answered or told when to come again, and the memory stays bounded. The clients share the cores
// with the server, so how long a GET takes is compared with one of a server that does nothing.
func TestStorm(t *testing.T) {
	s := serve(t, stormLimits...)
	bare := startBare(t)
	gets, refreshes, storm := s.steadyRequests()
	controls := &steady{name: "GETs of a bare server", every: gets.every, callers: gets.callers, send: gets.send}
	address := strings.TrimPrefix(s.URL, "http://")
	play := func(kinds ...*steady) (seconds float64, memory int) {
		stop := make(chan struct{})
		var all, ready sync.WaitGroup
		ready.Add(len(kinds) + 1)
		for _, k := range kinds {
			to := address
			if k == controls {
				to = bare
			}
			all.Go(func() { k.run(to, &ready, stop) })
		}
		ready.Done()
		ready.Wait()
		begin := time.Now()
		for time.Since(begin) < *stormFor {
			time.Sleep(100 * time.Millisecond)
			memory = max(memory, s.resident())
		}
		close(stop)
		all.Wait()
		return time.Since(begin).Seconds(), memory
	}
	idle := s.resident()
	calm := map[*steady]time.Duration{}
	for _, kinds := range [][]*steady{{gets, refreshes}, {controls}} {
		play(kinds...)
		for _, k := range kinds {
			calm[k] = k.at(99)
		}
	}
	seconds, most := play(gets, refreshes, storm)
	t.Logf("%.1f log-ins a second got through of %.1f; memory %d MiB idle, %d at most",
		float64(storm.statuses[http.StatusOK])/seconds, float64(len(storm.took))/seconds, idle, most)
	play(controls, storm)
	for _, k := range []*steady{gets, refreshes, controls} {
		t.Logf("%s: median %v; p99 %v, which is %.1f times that of calm", k.name, k.at(50), k.at(99),
			float64(k.at(99))/float64(calm[k]))
		for status, n := range k.statuses {
			if status < 200 || status >= 300 {
				t.Errorf("%s: %d are answered %d", k.name, n, status)
			}
		}
		// Generous, since the machine is full: a server that waits for its hashes takes a second.
		if k.at(99) > 2*calm[k]+500*time.Millisecond || k.lost.Load() > 0 {
			t.Errorf("%s: p99 %v, calm %v", k.name, k.at(99), calm[k])
		}
	}
	if storm.bare > 0 || storm.statuses[0] > 0 || storm.statuses[http.StatusOK] == 0 || storm.lost.Load() > 0 {
		t.Errorf("log-ins: %v, and %d refused without Retry-After", storm.statuses, storm.bare)
	}
	if bound := idle + (runtime.NumCPU()+2)*19 + 64; most > bound { // two more workers for known clients
		t.Errorf("%d MiB of memory, idle %d, at most %d", most, idle, bound)
	}
}

// steadyRequests are a thousand GETs, a hundred refreshes, and five hundred log-ins a second.
func (s *server) steadyRequests() (gets, refreshes, logins *steady) {
	s.t.Helper()
	get := []byte("GET /v1/verify HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + s.join("reader").Access + "\r\n\r\n")
	gets = &steady{name: "GETs", every: time.Millisecond, callers: 16,
		send: func(_, _ int, c *rawConnection) (int, bool) {
			status, _, after := c.exchange(get)
			return status, after
		}}
	tokens := make([]string, 16)
	for i := range tokens {
		tokens[i] = s.join(fmt.Sprint("refresher", i)).Refresh
	}
	refreshes = &steady{name: "refreshes", every: 10 * time.Millisecond, callers: len(tokens),
		send: func(caller, _ int, c *rawConnection) (int, bool) {
			status, body, after := c.exchange(rawPost("/v1/refresh", object("refresh_token", tokens[caller])))
			var answer struct {
				RefreshToken string `json:"refresh_token"`
			}
			if status == http.StatusOK && json.Unmarshal(body, &answer) == nil {
				tokens[caller] = answer.RefreshToken
			}
			return status, after
		}}
	right := make([][]byte, 8)
	for i := range right {
		name := fmt.Sprint("user", i)
		s.signUp(name)
		right[i] = rawPost("/v1/login", object("username", name, "password", passwordOf(name)))
	}
	// So many that those who are told to wait do not keep others from asking.
	logins = &steady{name: "log-ins", every: 2 * time.Millisecond, callers: 600,
		send: func(caller, n int, c *rawConnection) (int, bool) {
			status, _, after := c.exchange(right[(caller+n)%len(right)])
			return status, after
		}}
	return gets, refreshes, logins
}
