package password

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// resident returns how much memory of this process is in use, in MB.
func resident(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize() / 1e6
}

// It is promised for a minute after the storm, and waits for no garbage collection.
func TestGovernor_memoryIsBackWithinTenMegabytesAfterAStorm(t *testing.T) {
	calmProcessors(t)    // the workers of other tests have ended
	debug.FreeOSMemory() // what they left
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	before := resident(t)
	g := newGovernor(t, GovernorConfig{Workers: 4, MaxWait: time.Minute})
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() { _ = g.CheckDummy(t.Context(), "p") })
	}
	all.Wait()
	if during := resident(t); during < before+4*15 {
		t.Fatalf("%d MB after 4 workers worked, and %d MB before: nothing is measured", during, before)
	}
	eventually(t, "its memory is within 10 MB of what it was", func() bool { return resident(t) <= before+10 })
}
