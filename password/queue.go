package password

import (
	"container/list"
	"context"
)

// client is whose a job is. Known clients have logged in before from where they are.
type client struct {
	name  string
	known bool
}

type clientKey struct{}

// WithClient returns a context whose hashes a [Governor] counts for a client, by its address or
// whatever names it. Clients take turns, so that one who floods the governor is refused with
// [ErrOverloaded] while the others hardly wait. The known ones (who have proved lately, from there,
// who they are) take turns with all the others together, so that they hardly wait for a flood from
// many addresses either. What has no client is all one client's.
func WithClient(ctx context.Context, name string, known bool) context.Context {
	return context.WithValue(ctx, clientKey{}, client{name, known})
}

func clientOf(ctx context.Context) client {
	c, _ := ctx.Value(clientKey{}).(client)
	return c
}

// queue holds the jobs that wait, in a line for each client. The lines of the known take turns
// among themselves, those of the others do, and the two kinds take turns.
type queue struct {
	len       int
	lines     map[client]*line
	known     turns
	others    turns
	othersDue bool // it is the turn of the others
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

// kinds returns the lines of the client's kind and those of the other kind.
func (q *queue) kinds(c client) (same, other *turns) {
	if c.known {
		return &q.known, &q.others
	}
	return &q.others, &q.known
}

// before is how many jobs are done before one that the client brings now, if nobody else comes.
func (q *queue) before(c client) int {
	own := 0
	if l := q.lines[c]; l != nil {
		own = l.jobs.Len()
	}
	same, other := q.kinds(c)
	before := own
	for e := same.Front(); e != nil; e = e.Next() {
		if l := e.Value.(*line); l.client != c {
			before += min(l.jobs.Len(), own+1)
		}
	}
	return before + min(other.jobs, before+1)
}

func (q *queue) push(j *job, c client) {
	l := q.lines[c]
	same, _ := q.kinds(c)
	if l == nil {
		l = &line{client: c}
		if q.lines == nil {
			q.lines = map[client]*line{}
		}
		q.lines[c] = l
		l.place = same.PushBack(l)
	}
	j.line, j.place = l, l.jobs.PushBack(j)
	same.jobs++
	q.len++
}

// remove takes j out; its line goes with its last job.
func (q *queue) remove(j *job) {
	l := j.line
	same, _ := q.kinds(l.client)
	l.jobs.Remove(j.place)
	j.line, j.place = nil, nil
	same.jobs--
	q.len--
	if l.jobs.Len() == 0 {
		same.Remove(l.place)
		delete(q.lines, l.client)
	}
}

// pop takes the job whose turn it is, or returns nil.
func (q *queue) pop() *job {
	from := &q.known
	if from.jobs == 0 || q.othersDue && q.others.jobs > 0 {
		from = &q.others
	}
	front := from.Front()
	if front == nil {
		return nil
	}
	q.othersDue = from == &q.known
	from.MoveToBack(front)
	j := front.Value.(*line).jobs.Front().Value.(*job)
	q.remove(j)
	return j
}
