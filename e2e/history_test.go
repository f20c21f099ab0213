package e2e

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"time"
)

// moment is a time since a history began, by the monotonic clock of the test.
type moment = time.Duration

// What a call asks for. Those after askMe are in deeds_test.go.
const (
	askLogin   = "login"
	askRefresh = "refresh"
	askLogout  = "logout"
	askMe      = "me"
)

// fate is what the network did to a call.
type fate string

const (
	arrives     fate = ""
	requestLost fate = "request lost" // the server never saw it
	nobodyThere fate = "nobody there" // the server was not running
	answerLost  fate = "answer lost"  // the server answered, and the player did not hear it
	hungUp      fate = "hung up"      // the connection was closed before there was an answer
	sentTwice   fate = "sent twice"   // one of two copies of a request
)

// call is one request that a player made, and what came back. Tokens and passwords are in it by
// name only.
type call struct {
	Ask      string `json:"ask"`
	Owner    string `json:"owner"`             // whom it is about
	Session  string `json:"session,omitempty"` // of what was presented; for a login, the one that it began
	Theft    int    `json:"theft,omitempty"`   // which thief presents it; 0 is the owner
	Server   int    `json:"server,omitempty"`  // which process it was sent to
	Token    string `json:"token,omitempty"`   // what was presented
	Place    int    `json:"place,omitempty"`   // of a refresh token: its generation, which it tells
	Password string `json:"password,omitempty"`
	Sets     string `json:"sets,omitempty"` // the password or the roles that a deed is to set

	Given       string `json:"given,omitempty"` // the refresh token of the answer
	GivenPlace  int    `json:"given_place,omitempty"`
	GivenAccess string `json:"given_access,omitempty"`
	Says        string `json:"says,omitempty"` // the roles in that access token, or the state of a user

	Sent     moment `json:"sent"`             // before the first byte was written
	Received moment `json:"received"`         // after the last byte was read, or when the connection broke
	Status   int    `json:"status,omitempty"` // 0: no answer came back
	Code     string `json:"code,omitempty"`
	Fate     fate   `json:"fate,omitempty"`
}

// outage is a kill of a process of the server and its next start.
type outage struct {
	Server int    `json:"server,omitempty"`
	Dead   moment `json:"dead"`  // when the process had certainly ended
	Ready  moment `json:"ready"` // when it answered again
}

// process is how one process of the server differs from the others.
type process struct {
	AccessTTL time.Duration `json:"access_ttl"`
	Ahead     time.Duration `json:"ahead,omitempty"` // of the test's clock
}

// history is what happened: what the checker knows, and all that it knows.
type history struct {
	Grace     time.Duration
	Processes []process // by the number that calls have as Server
	Calls     []call
	Outages   []outage
}

// recorder writes a history down while it happens.
type recorder struct {
	began   time.Time
	answers chan struct{} // told of what was written and answered, when somebody listens

	mu sync.Mutex
	h  history // guarded by mu
}

func (r *recorder) now() moment { return time.Since(r.began) }

func (r *recorder) call(c call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Calls = append(r.h.Calls, c)
	if (c.Ask == askRefresh || isDeed(c.Ask)) && c.succeeded() {
		select {
		case r.answers <- struct{}{}:
		default:
		}
	}
}

func (r *recorder) outage(o outage) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Outages = append(r.h.Outages, o)
}

// counts returns how much has been written down so far.
func (r *recorder) counts() (calls, outages int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.h.Calls), len(r.h.Outages)
}

// history returns what happened, in the order of sending.
func (r *recorder) history() history {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.h
	h.Calls = slices.SortedFunc(slices.Values(r.h.Calls), func(a, b call) int { return cmp.Compare(a.Sent, b.Sent) })
	h.Outages = slices.Clone(r.h.Outages)
	return h
}

// line is one line of a history's file.
type line struct {
	Grace   *time.Duration `json:"grace,omitempty"`
	Process *process       `json:"process,omitempty"`
	Outage  *outage        `json:"outage,omitempty"`
	Call    *call          `json:"call,omitempty"`
}

// write writes the history to a file, as JSON, an event a line. Times are nanoseconds.
func (h history) write(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	lines := []line{{Grace: &h.Grace}}
	for _, p := range h.Processes {
		lines = append(lines, line{Process: &p})
	}
	for _, o := range h.Outages {
		lines = append(lines, line{Outage: &o})
	}
	for _, c := range h.Calls {
		lines = append(lines, line{Call: &c})
	}
	encoder := json.NewEncoder(w)
	for _, l := range lines {
		if err := encoder.Encode(l); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// readHistory reads what write has written.
func readHistory(file string) (history, error) {
	f, err := os.Open(file)
	if err != nil {
		return history{}, err
	}
	defer f.Close()
	var h history
	for decoder := json.NewDecoder(bufio.NewReader(f)); ; {
		var l line
		switch err := decoder.Decode(&l); {
		case errors.Is(err, io.EOF):
			return h, nil
		case err != nil:
			return history{}, err
		case l.Grace != nil:
			h.Grace = *l.Grace
		case l.Process != nil:
			h.Processes = append(h.Processes, *l.Process)
		case l.Outage != nil:
			h.Outages = append(h.Outages, *l.Outage)
		case l.Call != nil:
			h.Calls = append(h.Calls, *l.Call)
		}
	}
}

// nameOf names a token or a password, so that a history that is kept shows none.
func nameOf(secret string) string {
	if secret == "" {
		return ""
	}
	digest := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(digest[:8])
}

// placeOf returns the generation that a refresh token tells (docs/sessions.md has its layout).
func placeOf(token string) int {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) < 25 {
		return 0
	}
	return int(raw[21])<<24 | int(raw[22])<<16 | int(raw[23])<<8 | int(raw[24]) // big-endian
}
