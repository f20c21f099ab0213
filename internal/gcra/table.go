package gcra

import (
	"math/bits"
	"time"
)

// Table holds the counts of one [Rate], by the hashes of their keys. It is not safe for concurrent
// use. Its memory is bounded: 16 bytes for a count, and half a byte for what it had to merge.
//
// At the bound no count is lost early. A new key takes the place of the one among its neighbours
// whose count is nearest to its end, and begins with that count, and so does every key that comes
// later to the same place, until the count is over. So a key that had to leave and comes back has no
// more tries than if it had stayed. A flood makes newcomers wait. It never gives anybody a guess.
type Table struct {
	cells  []cell
	merged []time.Duration // by group; the highest count that had to leave. Nil while none had to.
	most   int             // cells at most
}

type cell struct {
	key  uint64 // 0 in an empty cell
	full time.Duration
}

// group is how many cells a key can be in. They lie side by side, and one of them is found in about
// 10 ns.
const group = 16

// NewTable returns a table of at most cells counts, rounded up to a power of two and at least 16.
// It takes memory as it fills.
func NewTable(cells int) *Table {
	return &Table{cells: make([]cell, group), most: group << bits.Len(uint((max(cells, 1)-1)/group))}
}

// Full returns the count of a key at now.
func (t *Table) Full(key uint64, now time.Duration) time.Duration {
	key |= 1
	place, cells := t.group(key)
	for i := range cells {
		if cells[i].key == key {
			return max(cells[i].full, now)
		}
	}
	if t.merged != nil {
		return max(t.merged[place], now)
	}
	return now
}

// Set changes the count of a key.
func (t *Table) Set(key uint64, full, now time.Duration) {
	key |= 1
	for {
		place, cells := t.group(key)
		least := &cells[0]
		for i := range cells {
			c := &cells[i]
			if c.key == key {
				c.full = full
				return
			}
			if c.key == 0 || c.full < least.full && least.key != 0 {
				least = c
			}
		}
		switch {
		case full <= now:
			return // an absent key is as good
		case least.key == 0 || least.full <= now:
			*least = cell{key, full}
			return
		case len(t.cells) < t.most:
			t.grow(now)
		default:
			t.merge(place, least.full)
			*least = cell{key, full}
			return
		}
	}
}

// group returns the cells that a key can be in.
func (t *Table) group(key uint64) (place int, cells []cell) {
	place = int(key>>1) & (len(t.cells)/group - 1)
	return place, t.cells[place*group : (place+1)*group]
}

// merge remembers a count that has to leave its group.
func (t *Table) merge(place int, full time.Duration) {
	if t.merged == nil {
		t.merged = make([]time.Duration, len(t.cells)/group)
		for i := range t.merged {
			t.merged[i] = -Never
		}
	}
	t.merged[place] = max(t.merged[place], full)
}

// grow doubles the cells. Counts that are over stay behind.
func (t *Table) grow(now time.Duration) {
	old := t.cells
	t.cells = make([]cell, 2*len(old))
	for _, c := range old {
		if c.key == 0 || c.full <= now {
			continue
		}
		_, cells := t.group(c.key) // at most the cells of one old group come here, so there is room
		for i := range cells {
			if cells[i].key == 0 {
				cells[i] = c
				break
			}
		}
	}
}
