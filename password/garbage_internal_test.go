package password

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func gcPercent() int { return readHeap().percent }

func TestGovernor_collectsGarbageRarelyOnlyWhileItHashes(t *testing.T) {
	calmProcessors(t)
	eventually(t, "no governor delays collections", func() bool { return ofHeap.idle() })
	runtime.GC() // a large heap of another test would change nothing here
	calm := gcPercent()
	g := newGovernor(t, GovernorConfig{Workers: 1})
	release := occupy(t, g)
	during := gcPercent()
	release()
	if during <= calm {
		t.Errorf("the percentage is %d while a hash is computed, want more than %d", during, calm)
	}
	for range 20 {
		runtime.KeepAlive(make([]byte, 1<<20))
	}
	eventually(t, "the percentage is what it was", func() bool { return gcPercent() == calm })
	eventually(t, "its memory is given back", func() bool { h := readHeap(); return h.used+h.free < h.live+8<<20 })
}

func TestGovernor_leavesGOGCAlone(t *testing.T) {
	calmProcessors(t)
	eventually(t, "no governor delays collections", func() bool { return ofHeap.idle() })
	t.Run("when it is told to", func(t *testing.T) {
		calm := gcPercent()
		defer occupy(t, newGovernor(t, GovernorConfig{Workers: 1, KeepGOGC: true}))()
		if now := gcPercent(); now != calm {
			t.Errorf("the percentage is %d, want %d", now, calm)
		}
	})
	t.Run("when the environment sets it", func(t *testing.T) {
		t.Setenv("GOGC", "100")
		calm := gcPercent()
		defer occupy(t, newGovernor(t, GovernorConfig{Workers: 1}))()
		if now := gcPercent(); now != calm {
			t.Errorf("the percentage is %d, want %d", now, calm)
		}
	})
	t.Run("when there are no collections", func(t *testing.T) {
		defer debug.SetGCPercent(debug.SetGCPercent(-1))
		defer occupy(t, newGovernor(t, GovernorConfig{Workers: 1}))()
		if now := gcPercent(); now != -1 {
			t.Errorf("the percentage is %d, want none", now)
		}
	})
	t.Run("when somebody else sets it meanwhile", func(t *testing.T) {
		before := gcPercent()
		defer debug.SetGCPercent(before)
		g := newGovernor(t, GovernorConfig{Workers: 1})
		release := occupy(t, g)
		debug.SetGCPercent(77)
		release()
		eventually(t, "the governor is at rest", func() bool { return atRest(g) && ofHeap.idle() })
		if now := gcPercent(); now != 77 {
			t.Errorf("the percentage is %d after the last hash, want the other's 77", now)
		}
	})
}

// A large heap collects as rarely as Go itself has it: 32 MiB more would not matter to it, and eight
// times as much would take all memory.
func TestCollections_leaveALargeHeapAlone(t *testing.T) {
	calmProcessors(t)
	eventually(t, "no governor delays collections", func() bool { return ofHeap.idle() })
	large := make([]byte, 64<<20)
	runtime.GC() // finds them in use
	var c collections
	before := gcPercent()
	c.delay()
	if now := gcPercent(); now != before {
		t.Errorf("the percentage is %d beside 64 MiB, want %d", now, before)
	}
	c.restore()
	runtime.KeepAlive(large)
}

func (c *collections) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.set == 0
}
