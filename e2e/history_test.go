package e2e

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"
)

// moment is a time since a history began, by the monotonic clock of the test.
type moment = time.Duration

// What a call asks for.
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

// call is one request that a player made, and what came back. Tokens are in it by name only.
type call struct {
	Ask      string `json:"ask"`
	Owner    string `json:"owner"`
	Session  string `json:"session,omitempty"` // of what was presented; for a login, the one that it began
	Theft    int    `json:"theft,omitempty"`   // which thief presents it; 0 is the owner
	Token    string `json:"token,omitempty"`   // what was presented
	Given    string `json:"given,omitempty"`   // the refresh token of the answer
	Sent     moment `json:"sent"`              // before the first byte was written
	Received moment `json:"received"`          // after the last byte was read, or when the connection broke
	Status   int    `json:"status,omitempty"`  // 0: no answer came back
	Code     string `json:"code,omitempty"`
	Fate     fate   `json:"fate,omitempty"`
}

// outage is a kill of the server and its next start.
type outage struct {
	Dead  moment `json:"dead"`  // when its process had certainly ended
	Ready moment `json:"ready"` // when it answered again
}

// history is what happened: what the checker knows, and all that it knows.
type history struct {
	Grace   time.Duration
	Calls   []call
	Outages []outage
}

// recorder writes a history down while it happens.
type recorder struct {
	began   time.Time
	answers chan struct{} // told of refreshes that were answered, when somebody listens

	mu sync.Mutex
	h  history // guarded by mu
}

func (r *recorder) now() moment { return time.Since(r.began) }

func (r *recorder) call(c call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.h.Calls = append(r.h.Calls, c)
	if c.Ask == askRefresh && c.Status == http.StatusOK {
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
	Grace  *time.Duration `json:"grace,omitempty"`
	Outage *outage        `json:"outage,omitempty"`
	Call   *call          `json:"call,omitempty"`
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
		case l.Outage != nil:
			h.Outages = append(h.Outages, *l.Outage)
		case l.Call != nil:
			h.Calls = append(h.Calls, *l.Call)
		}
	}
}

// nameOf names a token, so that a history that is kept shows none.
func nameOf(token string) string {
	if token == "" {
		return ""
	}
	digest := sha256.Sum256([]byte(token))
	return hex.EncodeToString(digest[:8])
}
