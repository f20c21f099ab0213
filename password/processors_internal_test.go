package password

import (
	"runtime"
	"sync"
	"testing"
	"time"
)

// calmProcessors waits until no governor of another test is at work, and returns what GOMAXPROCS is
// then.
func calmProcessors(t *testing.T) int {
	t.Helper()
	eventually(t, "no governor is at work", func() bool {
		ofProcess.mu.Lock()
		defer ofProcess.mu.Unlock()
		return ofProcess.workers == 0
	})
	return runtime.GOMAXPROCS(0)
}

// most is how many workers a governor has at most whose Workers are so many.
func most(workers int) int { return workers + 2 }

func TestGovernor_raisesGOMAXPROCSOnlyWhileItHashes(t *testing.T) {
	calm := calmProcessors(t)
	g := newGovernor(t, GovernorConfig{Workers: 3})
	if now := runtime.GOMAXPROCS(0); now != calm {
		t.Errorf("GOMAXPROCS is %d before the first hash, want %d", now, calm)
	}
	for range 3 {
		release := occupy(t, g)
		if now := runtime.GOMAXPROCS(0); now != calm+most(3)+spare {
			t.Errorf("GOMAXPROCS is %d while 3 workers work, want %d", now, calm+most(3)+spare)
		}
		release()
		time.Sleep(100 * time.Millisecond)
		if now := runtime.GOMAXPROCS(0); now != calm+most(3)+spare {
			t.Errorf("GOMAXPROCS is %d a tenth of a second after a hash: it would change with each log-in", now)
		}
		eventually(t, "GOMAXPROCS is what it was", func() bool { return runtime.GOMAXPROCS(0) == calm })
	}
}

// The last governor to come to rest restores what was before the first.
func TestGovernor_severalShareGOMAXPROCS(t *testing.T) {
	calmProcessors(t)
	const calm = 1
	runtime.GOMAXPROCS(calm)
	defer runtime.SetDefaultGOMAXPROCS()
	one, other := newGovernor(t, GovernorConfig{Workers: 1}), newGovernor(t, GovernorConfig{Workers: 2})
	releaseOne := occupy(t, one)
	releaseOther := occupy(t, other)
	want := calm + most(1) + most(2) + spare
	if now := runtime.GOMAXPROCS(0); now != want {
		t.Errorf("GOMAXPROCS is %d beside 1 and 2 workers, and those in reserve, want %d", now, want)
	}
	if n := newGovernor(t, GovernorConfig{}).workers; n != calm {
		t.Errorf("a governor that is made meanwhile has %d workers, want %d", n, calm)
	}
	releaseOne()
	eventually(t, "one is at rest", func() bool { return atRest(one) })
	time.Sleep(20 * time.Millisecond)
	if now := runtime.GOMAXPROCS(0); now < calm+most(2)+spare {
		t.Errorf("GOMAXPROCS is %d while 2 workers work, want %d", now, calm+most(2)+spare)
	}
	releaseOther()
	eventually(t, "GOMAXPROCS is what it was", func() bool { return runtime.GOMAXPROCS(0) == calm })

	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			g := newGovernor(t, GovernorConfig{Workers: 2})
			g.linger = time.Millisecond
			for range 20 {
				_ = g.do(t.Context(), func(*memory) {})
				time.Sleep(time.Millisecond)
			}
		})
	}
	all.Wait()
	if after := calmProcessors(t); after != calm {
		t.Errorf("GOMAXPROCS is %d after 8 governors came and went, want %d", after, calm)
	}
}

func TestGovernor_keepsGOMAXPROCSWhereAskedOrSetByTheEnvironment(t *testing.T) {
	calm := calmProcessors(t)
	keeps := func(t *testing.T, c GovernorConfig) {
		g := newGovernor(t, c)
		if want := max(1, min(runtime.NumCPU(), calm-1)); g.workers != want {
			t.Errorf("%d workers, want %d, so that requests have a core", g.workers, want)
		}
		defer occupy(t, g)()
		if now := runtime.GOMAXPROCS(0); now != calm {
			t.Errorf("GOMAXPROCS is %d, want %d", now, calm)
		}
	}
	t.Run("KeepGOMAXPROCS", func(t *testing.T) { keeps(t, GovernorConfig{KeepGOMAXPROCS: true}) })
	t.Run("environment", func(t *testing.T) {
		t.Setenv("GOMAXPROCS", "7")
		keeps(t, GovernorConfig{})
	})
}

// What the program sets itself is restored, and what it sets during a hash stays. What Go has
// chosen is Go's again afterwards: Go follows the limit of a container.
func TestGovernor_leavesGOMAXPROCSToWhoeverChoseIt(t *testing.T) {
	calmProcessors(t)
	defer runtime.SetDefaultGOMAXPROCS()
	g := newGovernor(t, GovernorConfig{Workers: 1})
	g.linger = time.Millisecond
	hash := func(during func()) int {
		release := occupy(t, g)
		during()
		release()
		return calmProcessors(t)
	}

	runtime.SetDefaultGOMAXPROCS()
	byGo := runtime.GOMAXPROCS(0)
	if after := hash(func() {
		if !ofProcess.byGo {
			t.Error("Go's choice is taken for somebody's")
		}
	}); after != byGo {
		t.Errorf("GOMAXPROCS is %d after a hash, want %d", after, byGo)
	}

	runtime.GOMAXPROCS(byGo + 5)
	if after := hash(func() {}); after != byGo+5 {
		t.Errorf("GOMAXPROCS is %d after a hash, and was set to %d", after, byGo+5)
	}
	if after := hash(func() { runtime.GOMAXPROCS(byGo + 19) }); after != byGo+19 {
		t.Errorf("GOMAXPROCS is %d after a hash, and was set to %d during it", after, byGo+19)
	}
}
