package password

import (
	"fmt"
	"slices"
	"testing"
)

// Whoever floods the queue waits for their own jobs; another waits for one of theirs.
func TestQueue_clientsTakeTurns(t *testing.T) {
	var q queue
	names := map[*job]string{}
	push := func(name string, known bool) *job {
		j := &job{}
		names[j] = name
		q.push(j, client{name, known})
		return j
	}
	for range 5 {
		push("flood", false)
	}
	if before := q.before(client{"honest", false}); before != 1 {
		t.Errorf("%d jobs before an honest one, want 1", before)
	}
	if before := q.before(client{"flood", false}); before != 5 {
		t.Errorf("%d jobs before another of the flood, want 5", before)
	}
	push("honest", false)
	gone := push("gone", false)
	q.remove(gone)
	var order []string
	for j := q.pop(); j != nil; j = q.pop() {
		order = append(order, names[j])
	}
	if want := []string{"flood", "honest", "flood", "flood", "flood", "flood"}; !slices.Equal(order, want) ||
		q.len != 0 ||
		len(q.lines) != 0 {
		t.Errorf("order %v, want %v; %d left", order, want, q.len)
	}
}

// A known client waits for one of a thousand strangers, and the strangers are not kept out by the
// known.
func TestQueue_knownClientsTakeTurnsWithAllOthers(t *testing.T) {
	var q queue
	names := map[*job]string{}
	push := func(name string, known bool) {
		j := &job{}
		names[j] = name
		q.push(j, client{name, known})
	}
	for i := range 1000 {
		push(fmt.Sprint("stranger", i), false)
	}
	if before := q.before(client{"alice", true}); before != 1 {
		t.Errorf("%d jobs before a known client's, want 1", before)
	}
	for range 3 {
		push("alice", true)
	}
	push("bob", true)
	var order []string
	for range 8 {
		order = append(order, names[q.pop()])
	}
	want := []string{"alice", "stranger0", "bob", "stranger1", "alice", "stranger2", "alice", "stranger3"}
	if !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
}
