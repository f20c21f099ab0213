package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hallpass-go/hallpass/internal/traffic"
)

// link is the network between the players and the server's processes. It loses and doubles what it
// carries, and writes down what it did.
type link struct {
	urls    []string // of the processes
	client  *http.Client
	rec     *recorder
	pending sync.WaitGroup // copies that are under way

	mu     sync.Mutex
	honest bool // guarded by mu: nothing is lost any more
}

var errNoAnswer = errors.New("no answer came")

func newLink(rec *recorder, urls ...string) *link {
	return &link{urls: urls, rec: rec, client: &http.Client{
		Timeout:   30 * time.Second,
		Transport: traffic.FromEnvironment().Transport(&http.Transport{MaxIdleConnsPerHost: 256}),
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
	c.Ask, c.Token, c.Place = askRefresh, nameOf(token), placeOf(token)
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

func loginMessage(c call, name, password string) message {
	c.Ask, c.Owner, c.Password = askLogin, name, nameOf(password)
	return message{
		call: c, method: "POST", path: "/v1/login",
		body: object("username", name, "password", password),
	}
}

// reply is what a player gets to see of an answer.
type reply struct {
	Status int
	Owner  string // whose answer it is
	Code   string `json:"code"`
	tokens
	Tokens   tokens   `json:"tokens"` // of a change of password
	ID       string   `json:"id"`     // of a user
	Roles    []string `json:"roles"`
	Disabled bool     `json:"disabled"`
}

type tokens struct {
	Refresh string `json:"refresh_token"`
	Access  string `json:"access_token"`
	Session string `json:"session_id"`
}

// send carries a message. An error says that the player has no answer, whatever the server has
// done.
func (l *link) send(r *rand.Rand, m message) (reply, error) {
	m.call.Fate, m.call.Server = l.fault(r), r.IntN(len(l.urls))
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
		ctx, cancel = context.WithTimeout(ctx, m.patience(r))
		defer cancel()
	case sentTwice:
		return l.sendTwice(m, r.IntN(len(l.urls)))
	}
	return l.exchange(ctx, m)
}

// patience is how long a client waits that hangs up: 5 ms at most or, where a password is hashed
// first, at times long enough to meet what comes after that.
func (m message) patience(r *rand.Rand) time.Duration {
	most := 5 * time.Millisecond
	if (m.call.Password != "" || m.call.Ask == askSetPassword) && r.IntN(2) == 0 {
		most = 150 * time.Millisecond
	}
	return time.Duration(r.Int64N(int64(most)))
}

// sendTwice sends two copies at once, the second one to a process that may be another, and returns
// the answer that comes first.
func (l *link) sendTwice(m message, second int) (reply, error) {
	type result struct {
		reply reply
		err   error
	}
	results := make(chan result, 2)
	for _, server := range []int{m.call.Server, second} {
		m.call.Server = server
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
	url := l.urls[m.call.Server] + m.path
	req, err := http.NewRequestWithContext(ctx, m.method, url, strings.NewReader(m.body))
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
	got.Owner = m.call.Owner
	m.call.Received = l.rec.now()
	switch {
	case isRefusedConnection(err):
		m.call.Fate = nobodyThere
	case err == nil:
		m.call = m.call.answeredBy(got)
	}
	l.rec.call(m.call)
	return got, err
}

// answeredBy returns the call with what its answer says.
func (c call) answeredBy(got reply) call {
	c.Status, c.Code = got.Status, got.Code
	c.Given, c.GivenPlace, c.GivenAccess = nameOf(got.Refresh), placeOf(got.Refresh), nameOf(got.Access)
	if c.Ask == askLogin {
		c.Session = got.Session
	}
	switch {
	case got.Access != "":
		c.Says = strings.Join(saidBy(got.Access).Roles, " ")
	case got.Status == http.StatusOK && got.Disabled:
		c.Says = saysDisabled
	case got.Status == http.StatusOK && got.ID != "":
		c.Says = saysEnabled
	}
	return c
}

// saidBy returns what an access token says.
func saidBy(token string) (claims struct {
	Subject string   `json:"sub"`
	Roles   []string `json:"roles"`
}) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		_ = json.Unmarshal(text, &claims) // the zero value is what an unreadable token says
	}
	return claims
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
	if got.Tokens != (tokens{}) {
		got.tokens = got.Tokens
	}
	return got, nil
}
