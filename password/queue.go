package password

import (
	"container/list"
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/hallpass-go/hallpass/internal/asker"
	"github.com/hallpass-go/hallpass/internal/gcra"
)

// client is whose a job is.
type client struct {
	name string
	kind kind
}

// kind says how a client is served. Each kind may have one worker more than the kind before it.
type kind int

const (
	busy  kind = iota // asks for many hashes, or has no name
	few               // has asked for few hashes lately
	known             // has logged in before from where it is
	kinds int  = iota
)

// fewHashes is how many hashes a client that is not known may ask for and still count as one that
// asks for few: a sign-up and a log-in, and then one a minute.
var fewHashes = gcra.NewRate(2, 2*time.Minute)

// WithClient returns a context whose hashes a [Governor] counts for a client, by its address or
// whatever names it. Clients take turns, so one that floods the governor is refused with
// [ErrOverloaded], while the others hardly wait.
//
// Two kinds of clients are preferred and do not wait for such a flood at all, even if it comes from
// many addresses: known clients, who have proved lately, from there, who they are, and clients that
// ask for few hashes: two at once, and then one a minute. The governor keeps a worker for each of
// the two kinds, and others' hashes pause for up to a tenth of a second while theirs are computed.
//
// All work without a client counts as that of one client that asks for many hashes.
func WithClient(ctx context.Context, name string, known bool) context.Context {
	return asker.With(ctx, name, known)
}

// clientOf says whose the hashes of a context are, and counts one.
func (g *Governor) clientOf(ctx context.Context) client {
	name, isKnown := asker.Of(ctx)
	switch {
	case isKnown:
		return client{name, known}
	case name != "" && g.asked.isFew(name):
		return client{name, few}
	default:
		return client{name, busy}
	}
}

// asked counts the hashes that clients ask for.
type asked struct {
	seed  maphash.Seed
	start time.Time

	mu     sync.Mutex
	counts *gcra.Table // by the hash of the client's name; guarded by mu
}

// askers is how many clients are counted apart, in two megabytes.
const askers = 1 << 17

func newAsked() *asked {
	return &asked{seed: maphash.MakeSeed(), start: time.Now(), counts: gcra.NewTable(askers)}
}

// isFew counts a hash, and reports whether the client has asked for few lately.
func (a *asked) isFew(name string) bool {
	key, now := maphash.String(a.seed, name), time.Since(a.start)
	a.mu.Lock()
	defer a.mu.Unlock()
	next, wait := fewHashes.Take(a.counts.Full(key, now), now, 1)
	a.counts.Set(key, next, now)
	return wait == 0
}

// queue holds the jobs that wait, in a line for each client. The lines of a kind take turns among
// themselves, and the kinds take turns.
type queue struct {
	len   int
	lines map[client]*line
	kinds [kinds]turns
	last  kind // whose turn it was last
}

// turns are lines, each with a job, the one whose turn it is first.
type turns struct {
	list.List     // of *line
	jobs      int // in all of them
}

// line is the jobs of one client, the oldest first.
type line struct {
	client client
	jobs   list.List // of *job
	place  *list.Element
}

// before is how many jobs are done before one that the client brings now, if nobody else comes.
func (q *queue) before(c client) int {
	own := 0
	if l := q.lines[c]; l != nil {
		own = l.jobs.Len()
	}
	same := own
	for e := q.kinds[c.kind].Front(); e != nil; e = e.Next() {
		if l := e.Value.(*line); l.client != c {
			same += min(l.jobs.Len(), own+1)
		}
	}
	before := same
	for k := range q.kinds {
		if kind(k) != c.kind {
			before += min(q.kinds[k].jobs, same+1)
		}
	}
	return before
}

// anyAfter reports whether a job of a later kind than k waits.
func (q *queue) anyAfter(k kind) bool {
	for i := k + 1; int(i) < kinds; i++ {
		if q.kinds[i].jobs > 0 {
			return true
		}
	}
	return false
}

func (q *queue) push(j *job) {
	c := j.client
	l := q.lines[c]
	if l == nil {
		l = &line{client: c}
		if q.lines == nil {
			q.lines = map[client]*line{}
		}
		q.lines[c] = l
		l.place = q.kinds[c.kind].PushBack(l)
	}
	j.line, j.place = l, l.jobs.PushBack(j)
	q.kinds[c.kind].jobs++
	q.len++
}

// remove takes j out; its line goes with its last job.
func (q *queue) remove(j *job) {
	l := j.line
	same := &q.kinds[l.client.kind]
	l.jobs.Remove(j.place)
	j.line, j.place = nil, nil
	same.jobs--
	q.len--
	if l.jobs.Len() == 0 {
		same.Remove(l.place)
		delete(q.lines, l.client)
	}
}

// pop takes the job whose turn it is among the kinds that may have one done now, or returns nil.
func (q *queue) pop(may func(kind) bool) *job {
	for step := range kinds { // from the kind below the last one's down, and then around
		k := kind((int(q.last) + 2*kinds - 1 - step) % kinds)
		front := q.kinds[k].Front()
		if front == nil || !may(k) {
			continue
		}
		q.last = k
		q.kinds[k].MoveToBack(front)
		j := front.Value.(*line).jobs.Front().Value.(*job)
		q.remove(j)
		return j
	}
	return nil
}
