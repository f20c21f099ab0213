package password

import (
	"math"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// collections makes garbage collections rarer while governors work. A collection stops all threads
// twice for a moment. It waits then for those of the workers too, which have a low priority, so on
// a busy core every request of that moment is some milliseconds late. A small program that answers
// log-ins would collect its garbage every second.
type collections struct {
	mu     sync.Mutex
	before int // the percentage of GOGC that somebody else chose
	set    int // the percentage that was set here, or 0
}

// ofHeap is for all governors of the process, since it has one heap.
var ofHeap collections

const (
	// garbageRoom is how much garbage may gather while governors work. A larger heap than this, at
	// Go's own percentage, collects as rarely anyway.
	garbageRoom = 32 << 20
	// smallestHeap is what Go takes a smaller heap for.
	smallestHeap = 4 << 20
)

// delay sets the percentage at which about garbageRoom of garbage gathers before a collection, but
// no lower one than somebody else has chosen. It is called again and again, as the heap grows.
func (c *collections) delay() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	h := readHeap()
	now := h.percent
	if now != c.set {
		c.before = now
	}
	want := max(int(100*garbageRoom/max(h.live, smallestHeap)), c.before)
	if c.before < 0 || want >= now*3/4 && want <= now*5/4 {
		return // each change stops all threads
	}
	debug.SetGCPercent(want)
	c.set = want
}

// restore undoes delay, unless somebody else has chosen a percentage since, and gives the memory
// that it took back to the system: a program at rest would keep it for minutes.
func (c *collections) restore() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	h := readHeap()
	if c.set == 0 || h.percent != c.set {
		c.set = 0
		return
	}
	debug.SetGCPercent(c.before)
	c.set = 0
	goal := max(h.live, smallestHeap) / 100 * uint64(100+c.before)
	if h.used+h.free > goal {
		debug.FreeOSMemory()
	}
}

// heap is the state of Go's heap.
type heap struct {
	live    uint64 // bytes that the last collection found in use
	used    uint64 // bytes in use now, garbage included
	free    uint64 // bytes that are neither used nor given back to the system
	percent int    // of GOGC, or less than 0 if there are no collections
}

func readHeap() heap {
	samples := [...]metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"}, {Name: "/gc/gogc:percent"},
	}
	metrics.Read(samples[:])
	h := heap{
		live: samples[0].Value.Uint64(), used: samples[1].Value.Uint64(), free: samples[2].Value.Uint64(), percent: -1,
	}
	if percent := samples[3].Value.Uint64(); percent <= math.MaxInt32 {
		h.percent = int(percent)
	}
	return h
}
