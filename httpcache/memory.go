package httpcache

import (
	"context"
	"hash/maphash"
	"math"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// Memory is a [Store] in the memory of the process. It never fails. What it keeps takes a bounded
// number of bytes; the entries that are used least leave first.
//
// It remembers invalidations in 65,536 counters, which tags share by a hash. So it forgets none, and
// an invalidation sometimes ends an answer that has another tag, which is then made again.
type Memory struct {
	entries *otter.Cache[Key, *Entry]
	seed    maphash.Seed
	last    atomic.Uint64                // mark of the newest invalidation
	slots   [invalidations]atomic.Uint64 // mark of the newest invalidation of a slot's tags
}

const invalidations = 1 << 16

// NewMemory returns a store for about that many bytes of answers; 0 stands for [DefaultMaxBytes]. The
// counters take another 512 KiB.
func NewMemory(maxBytes int64) *Memory {
	if maxBytes <= 0 {
		maxBytes = DefaultMaxBytes
	}
	return &Memory{
		seed: maphash.MakeSeed(),
		entries: otter.Must(&otter.Options[Key, *Entry]{
			MaximumWeight: uint64(maxBytes),
			Weigher:       func(_ Key, e *Entry) uint32 { return uint32(min(e.size(), math.MaxUint32)) },
		}),
	}
}

// Mark implements [Store].
func (m *Memory) Mark(context.Context) (Mark, error) { return Mark(m.last.Load()), nil }

// Get implements [Store].
func (m *Memory) Get(_ context.Context, key Key) (*Entry, error) {
	e, ok := m.entries.GetIfPresent(key)
	if !ok || !m.isCurrent(e) {
		return nil, nil
	}
	return e, nil
}

// Set implements [Store].
func (m *Memory) Set(_ context.Context, key Key, e *Entry) error {
	e.slots = make([]uint32, len(e.Tags))
	for i, tag := range e.Tags {
		e.slots[i] = m.slot(tag)
	}
	if !m.isCurrent(e) {
		return nil
	}
	m.entries.Compute(key, func(old *Entry, found bool) (*Entry, otter.ComputeOp) {
		// Who has read a newer one must not see an older one. If it is much newer, the clock was set back.
		if found && m.isCurrent(old) {
			if ahead := old.Made.Sub(e.Made); ahead > 0 && ahead < maxAhead {
				return old, otter.CancelOp
			}
		}
		return e, otter.WriteOp
	})
	return nil
}

// maxAhead is how much later than the older of two answers the newer one can have been begun.
const maxAhead = time.Minute

// Invalidate implements [Store].
func (m *Memory) Invalidate(_ context.Context, tags ...string) error {
	mark := m.last.Add(1)
	for _, tag := range tags {
		slot := &m.slots[m.slot(tag)]
		for old := slot.Load(); old < mark && !slot.CompareAndSwap(old, mark); {
			old = slot.Load()
		}
	}
	return nil
}

// isCurrent reports whether no tag of e has been invalidated since its mark.
func (m *Memory) isCurrent(e *Entry) bool {
	for _, slot := range e.slots {
		if m.slots[slot].Load() > uint64(e.Mark) {
			return false
		}
	}
	return true
}

func (m *Memory) slot(tag string) uint32 { return uint32(maphash.String(m.seed, tag) % invalidations) }
