package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// link is the network between the players and the server. It loses and doubles what it carries, and writes
// down what it did.
type link struct {
	url     string
	client  *http.Client
	rec     *recorder
	pending sync.WaitGroup // copies that are under way

	mu     sync.Mutex
	honest bool // guarded by mu: nothing is lost any more
}

var errNoAnswer = errors.New("no answer came")

func newLink(url string, rec *recorder) *link {
	return &link{url: url, rec: rec, client: &http.Client{
		Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256},
	}}
}

// beHonest ends the faults.
func (l *link) beHonest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.honest = true
}

// fault picks what is to become of a request.
func (l *link) fault(r *rand.Rand) fate {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := r.IntN(100)
	switch {
	case l.honest:
		return arrives
	case n < 5:
		return requestLost
	case n < 15:
		return answerLost
	case n < 20:
		return hungUp
	case n < 30:
		return sentTwice
	}
	return arrives
}

// message is a request of a player: what is written down of it, and what goes over the wire.
type message struct {
	call   call
	path   string
	method string
	access string
	body   string
}

func refreshMessage(c call, token string) message {
	c.Ask, c.Token = askRefresh, nameOf(token)
	return message{call: c, method: "POST", path: "/v1/refresh", body: object("refresh_token", token)}
}

func meMessage(c call, access string) message {
	c.Ask, c.Token = askMe, nameOf(access)
	return message{call: c, method: "GET", path: "/v1/me", access: access}
}

func logoutMessage(c call, access string) message {
	c.Ask, c.Token = askLogout, nameOf(access)
	return message{call: c, method: "POST", path: "/v1/logout", access: access}
}

func loginMessage(c call, name string) message {
	c.Ask = askLogin
	return message{call: c, method: "POST", path: "/v1/login", body: object("username", name, "password", passwordOf(name))}
}

// reply is what a player gets to see of an answer.
type reply struct {
	Status  int
	Code    string `json:"code"`
	Refresh string `json:"refresh_token"`
	Access  string `json:"access_token"`
	Session string `json:"session_id"`
}

// send carries a message. An error says that the player has no answer, whatever the server has done.
func (l *link) send(r *rand.Rand, m message) (reply, error) {
	m.call.Fate = l.fault(r)
	ctx := context.Background()
	switch m.call.Fate {
	case requestLost:
		m.call.Sent = l.rec.now()
		m.call.Received = m.call.Sent
		l.rec.call(m.call)
		return reply{}, errNoAnswer
	case answerLost:
		_, _ = l.exchange(ctx, m)
		return reply{}, errNoAnswer
	case hungUp:
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(r.Int64N(int64(4*time.Millisecond))))
		defer cancel()
	case sentTwice:
		return l.sendTwice(m)
	}
	return l.exchange(ctx, m)
}

// sendTwice sends two copies at once and returns the answer that comes first.
func (l *link) sendTwice(m message) (reply, error) {
	type result struct {
		reply reply
		err   error
	}
	results := make(chan result, 2)
	for range 2 {
		l.pending.Go(func() {
			got, err := l.exchange(context.Background(), m)
			results <- result{got, err}
		})
	}
	first := <-results
	if first.err != nil {
		first = <-results
	}
	return first.reply, first.err
}

// exchange sends one request and writes down when, and what came back.
func (l *link) exchange(ctx context.Context, m message) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, m.method, l.url+m.path, strings.NewReader(m.body))
	if err != nil {
		return reply{}, err
	}
	if m.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if m.access != "" {
		req.Header.Set("Authorization", "Bearer "+m.access)
	}
	m.call.Sent = l.rec.now()
	got, err := l.roundTrip(req)
	m.call.Received = l.rec.now()
	switch {
	case isRefusedConnection(err):
		m.call.Fate = nobodyThere
	case err == nil:
		m.call.Status, m.call.Code, m.call.Given = got.Status, got.Code, nameOf(got.Refresh)
		if m.call.Ask == askLogin {
			m.call.Session = got.Session
		}
	}
	l.rec.call(m.call)
	return got, err
}

func (l *link) roundTrip(req *http.Request) (reply, error) {
	resp, err := l.client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, err
	}
	got := reply{}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &got); err != nil {
			return reply{}, err
		}
	}
	got.Status = resp.StatusCode
	return got, nil
}
