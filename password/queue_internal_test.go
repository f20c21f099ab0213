package password

import (
	"fmt"
	"slices"
	"testing"
)

func always(kind) bool { return true }

// Whoever floods the queue waits for their own jobs; another waits for one of theirs.
func TestQueue_clientsTakeTurns(t *testing.T) {
	var q queue
	names := map[*job]string{}
	push := func(name string) *job {
		j := &job{client: client{name, busy}}
		names[j] = name
		q.push(j)
		return j
	}
	for range 5 {
		push("flood")
	}
	if before := q.before(client{"honest", busy}); before != 1 {
		t.Errorf("%d jobs before an honest one, want 1", before)
	}
	if before := q.before(client{"flood", busy}); before != 5 {
		t.Errorf("%d jobs before another of the flood, want 5", before)
	}
	push("honest")
	gone := push("gone")
	q.remove(gone)
	var order []string
	for j := q.pop(always); j != nil; j = q.pop(always) {
		order = append(order, names[j])
	}
	if want := []string{"flood", "honest", "flood", "flood", "flood", "flood"}; !slices.Equal(order, want) ||
		q.len != 0 ||
		len(q.lines) != 0 {
		t.Errorf("order %v, want %v; %d left", order, want, q.len)
	}
}

// Known clients, those that ask for few hashes, and a thousand strangers: each kind has its turn.
func TestQueue_kindsTakeTurns(t *testing.T) {
	var q queue
	names := map[*job]string{}
	push := func(name string, k kind) {
		j := &job{client: client{name, k}}
		names[j] = name
		q.push(j)
	}
	for i := range 1000 {
		push(fmt.Sprint("stranger", i), busy)
	}
	if before := q.before(client{"alice", known}); before != 1 {
		t.Errorf("%d jobs before a known client's, want 1", before)
	}
	for range 3 {
		push("alice", known)
	}
	push("bob", known)
	push("new", few)
	if before := q.before(client{"late", few}); before != 1+2+2 {
		t.Errorf("%d jobs before a second new client's, want 5", before)
	}
	var order []string
	for range 9 {
		order = append(order, names[q.pop(always)])
	}
	want := []string{
		"alice", "new", "stranger0", "bob", "stranger1", "alice", "stranger2", "alice", "stranger3",
	}
	if !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	if j := q.pop(func(k kind) bool { return k != busy }); j != nil {
		t.Errorf("%s, of a kind that may not, got a worker", names[j])
	}
}
