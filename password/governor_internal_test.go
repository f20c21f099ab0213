package password

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func newGovernor(t *testing.T, c GovernorConfig) *Governor {
	t.Helper()
	g, err := NewGovernor(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// occupy keeps every worker of g busy until the function that it returns is called.
func occupy(t *testing.T, g *Governor) (release func()) {
	t.Helper()
	ctx := t.Context()
	hold := make(chan struct{})
	var started, ended sync.WaitGroup
	for range g.workers {
		started.Add(1)
		ended.Go(func() {
			_ = g.do(ctx, func(*memory) { started.Done(); <-hold })
		})
	}
	started.Wait()
	return func() { close(hold); ended.Wait() }
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func TestGovernor_runsNoMoreJobsThanWorkers(t *testing.T) {
	g := newGovernor(t, GovernorConfig{Workers: 3, MaxWait: time.Minute})
	var running, most atomic.Int32
	var all sync.WaitGroup
	for range 60 {
		all.Go(func() {
			err := g.do(t.Context(), func(*memory) {
				n := running.Add(1)
				for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
				}
				time.Sleep(2 * time.Millisecond)
				running.Add(-1)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most.Load() != 3 {
		t.Errorf("%d jobs ran at a time, want 3", most.Load())
	}
}

func TestGovernor_cancelledJobLeavesTheQueue(t *testing.T) {
	g := newGovernor(t, GovernorConfig{Workers: 1, MaxWait: time.Minute})
	release := occupy(t, g)
	ctx, cancel := context.WithCancel(t.Context())
	var ran atomic.Bool
	result := make(chan error)
	go func() { result <- g.do(ctx, func(*memory) { ran.Store(true) }) }()
	eventually(t, "the job is queued", func() bool { return g.Stats().Queued == 1 })
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if n := g.Stats().Queued; n != 0 {
		t.Errorf("%d jobs are still queued", n)
	}
	release()
	if ran.Load() || g.Stats().Shed != 0 {
		t.Errorf("ran: %v; %d are counted as shed", ran.Load(), g.Stats().Shed)
	}
}

func TestGovernor_cancelledCallerDoesNotWaitForItsRunningJob(t *testing.T) {
	g := newGovernor(t, GovernorConfig{Workers: 1})
	ctx, cancel := context.WithCancel(t.Context())
	hold := make(chan struct{})
	defer close(hold)
	err := g.do(ctx, func(*memory) { cancel(); <-hold })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if n := g.Stats().Running; n != 1 {
		t.Errorf("%d running: the job that goes on must keep its worker's place", n)
	}
}

func TestGovernor_endedContextAsksForNothing(t *testing.T) {
	g := newGovernor(t, GovernorConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Hash(ctx, "p"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if g.Stats().Running != 0 {
		t.Error("a worker was started")
	}
}

func TestGovernor_jobThatHasWaitedTooLongIsShed(t *testing.T) {
	g := newGovernor(t, GovernorConfig{Workers: 1, MaxWait: 60 * time.Millisecond})
	defer occupy(t, g)()
	start := time.Now()
	err := g.do(t.Context(), func(*memory) { t.Error("it ran") })
	var overloaded *OverloadedError
	if !errors.As(err, &overloaded) || !errors.Is(err, ErrOverloaded) || overloaded.RetryAfter != time.Second {
		t.Errorf("error %#v", err)
	}
	if took := time.Since(start); took < 60*time.Millisecond {
		t.Errorf("shed after %v already", took)
	}
	if s := g.Stats(); s.Shed != 1 || s.Queued != 0 {
		t.Errorf("%+v", s)
	}
}

// The queue is as long as can be worked off in time; the next one hears at once.
func TestGovernor_jobThatWouldWaitTooLongIsShedAtOnce(t *testing.T) {
	g := newGovernor(t, GovernorConfig{Workers: 2, MaxWait: 2 * time.Second})
	release := occupy(t, g)
	g.mean = 100 * time.Millisecond
	var queued sync.WaitGroup
	for range 41 { // 41 jobs of 100 ms take two workers 2.05 s
		queued.Go(func() { _ = g.do(t.Context(), func(*memory) {}) })
	}
	eventually(t, "41 jobs are queued", func() bool { return g.Stats().Queued == 41 })
	start := time.Now()
	err := g.do(t.Context(), func(*memory) { t.Error("it ran") })
	took := time.Since(start)
	var overloaded *OverloadedError
	if !errors.As(err, &overloaded) || overloaded.RetryAfter != 3*time.Second {
		t.Errorf("error %#v", err)
	}
	if took > 50*time.Millisecond {
		t.Errorf("turned away after %v", took)
	}
	release()
	queued.Wait()
}

// However slow jobs were, a free worker takes the next one and measures anew.
func TestGovernor_recoversFromASlowTime(t *testing.T) {
	g := newGovernor(t, GovernorConfig{Workers: 1, Params: Params{MemoryKiB: 64, Passes: 1, AllowWeak: true}})
	g.mean = time.Hour
	for range 200 {
		if _, err := g.Hash(t.Context(), "p"); err != nil {
			t.Fatal(err)
		}
	}
	if mean := g.Stats().Mean; mean > time.Second {
		t.Errorf("after 200 quick jobs the mean is %v", mean)
	}
}

func TestGovernor_retryAfterIsWithinReason(t *testing.T) {
	g := newGovernor(t, GovernorConfig{Workers: 1})
	for mean, want := range map[time.Duration]time.Duration{
		0: time.Second, time.Millisecond: time.Second, 1500 * time.Millisecond: 2 * time.Second,
		time.Hour: time.Minute,
	} {
		g.mean = mean
		g.queue = queue{}
		g.queue.push(&job{})
		var overloaded *OverloadedError
		if err := g.overloaded(); !errors.As(err, &overloaded) || overloaded.RetryAfter != want {
			t.Errorf("a queue of %v: %v", mean, err)
		}
	}
}

func TestGovernor_leavesNoGoroutineAndNoMemory(t *testing.T) {
	before := runtime.NumGoroutine()
	g := newGovernor(
		t,
		GovernorConfig{Workers: 4, MaxWait: time.Minute, Params: Params{MemoryKiB: 64, Passes: 1, AllowWeak: true}},
	)
	if n := runtime.NumGoroutine(); n != before {
		t.Errorf("the constructor started %d goroutines", n-before)
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { _ = g.CheckDummy(t.Context(), "p") })
	}
	all.Wait()
	eventually(t, "all workers have ended", func() bool {
		return runtime.NumGoroutine() <= before && g.Stats().Running == 0
	})
}

// unmarked has g compute so many jobs, and returns how many of them got memory that none had
// before. At most so many are in its hands at a time.
func unmarked(t *testing.T, g *Governor, jobs, atATime int) int {
	t.Helper()
	var fresh atomic.Int32
	var all sync.WaitGroup
	places := make(chan struct{}, atATime)
	for range jobs {
		places <- struct{}{}
		all.Go(func() {
			err := g.do(t.Context(), func(m *memory) {
				blocks := m.take(19456)
				if blocks[19455][127] != 42 {
					fresh.Add(1)
				}
				blocks[19455][127] = 42
			})
			if err != nil {
				t.Error(err)
			}
			<-places
		})
	}
	all.Wait()
	return int(fresh.Load())
}

// A worker's memory serves all its jobs. What a costly stored hash asked for is not kept.
func TestGovernor_memoryIsThatOfItsWorkers(t *testing.T) {
	g := newGovernor(t, GovernorConfig{Workers: 2, MaxWait: time.Minute})
	if n := unmarked(t, g, 50, 50); n > 2 {
		t.Errorf("50 hashes by 2 workers took memory for %d", n)
	}
	for _, mapped := range []bool{false, true} {
		m := memory{mapped: mapped}
		m.take(100)
		m.shrink(100)
		kept := len(m.blocks)
		m.take(101)
		m.shrink(100)
		if kept != 100 || len(m.blocks) != 0 {
			t.Errorf("mapped %v: %d blocks are kept for reuse, and %d after a costly hash", mapped,
				kept, len(m.blocks))
		}
	}
}

// Who logs in when nobody else does need not wait for a thread and memory to be made, if somebody
// did just before.
func TestGovernor_oneLogInAfterAnotherFindsItsWorkerReady(t *testing.T) {
	g := newGovernor(t, GovernorConfig{Workers: 2})
	g.linger = 10 * time.Second
	if n := unmarked(t, g, 20, 1); n != 1 {
		t.Errorf("of 20 hashes, one after the other, %d took new memory", n)
	}
}

// A worker that is given a job in the moment in which it gives up waiting for one computes it.
func TestGovernor_jobThatComesAsItsWorkerEndsIsDone(t *testing.T) {
	g := newGovernor(t, GovernorConfig{Workers: 1})
	g.linger = 50 * time.Millisecond
	if err := g.do(t.Context(), func(*memory) {}); err != nil {
		t.Fatal(err)
	}
	j := &job{run: func(*memory) {}, done: make(chan struct{})}
	g.mu.Lock()
	time.Sleep(2 * g.linger)
	g.count(j.client.kind, 1)
	if !g.giveIdle(j) {
		t.Error("there is no idle worker after a job")
	}
	g.mu.Unlock()
	select {
	case <-j.done:
	case <-time.After(10 * time.Second):
		t.Fatal("the job was not done")
	}
	eventually(t, "the worker has ended", func() bool { return atRest(g) })
}

func atRest(g *Governor) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.total() == 0 && len(g.idle) == 0
}

// as returns the context of a client.
func as(t *testing.T, name string, isKnown bool) context.Context {
	return WithClient(t.Context(), name, isKnown)
}

// A flood has all workers that it may have, and more jobs in line. A client that asks for few hashes
// and then a known one get workers at once.
func TestGovernor_preferredClientsWaitForNoFlood(t *testing.T) {
	g := newGovernor(t, GovernorConfig{Workers: 2, MaxWait: time.Minute})
	hold := make(chan struct{})
	var flood, all sync.WaitGroup
	defer all.Wait()
	defer close(hold)
	for range 2 {
		flood.Add(1)
		all.Go(func() { _ = g.do(t.Context(), func(*memory) { flood.Done(); <-hold }) })
	}
	flood.Wait()
	for range 64 {
		all.Go(func() { _ = g.do(t.Context(), func(*memory) {}) })
	}
	eventually(t, "the flood is in line", func() bool { return g.Stats().Queued == 64 })
	for _, c := range []context.Context{as(t, "new", false), as(t, "alice", true)} {
		started := make(chan struct{})
		all.Go(func() { _ = g.do(c, func(*memory) { close(started); <-hold }) })
		select {
		case <-started:
		case <-time.After(10 * time.Second):
			t.Error("a preferred client waits for the flood")
		}
	}
	all.Go(func() { _ = g.do(as(t, "bob", true), func(*memory) {}) })
	eventually(t, "a second known client is in line", func() bool { return g.Stats().Queued == 65 })
	if n := g.Stats().Running; n != g.most() {
		t.Errorf("%d jobs run, want %d", n, g.most())
	}
}

// Who has asked for two hashes waits in line like the flood, and a job without a client always does.
func TestGovernor_clientIsPreferredForFewHashesOnly(t *testing.T) {
	g := newGovernor(t, GovernorConfig{})
	for i, want := range []kind{few, few, busy, busy} {
		if c := g.clientOf(as(t, "client", false)); c.kind != want {
			t.Errorf("hash %d of a client is of kind %d, want %d", i+1, c.kind, want)
		}
	}
	if c := g.clientOf(as(t, "another", false)); c.kind != few {
		t.Errorf("another client's first hash is of kind %d", c.kind)
	}
	for range 5 {
		if c := g.clientOf(as(t, "client", true)); c.kind != known {
			t.Errorf("a known client's hash is of kind %d", c.kind)
		}
	}
	if c := g.clientOf(t.Context()); c.kind != busy {
		t.Errorf("a hash of nobody's is of kind %d", c.kind)
	}
}

// hashing keeps asking for hashes as a client until stop is closed, as many at a time.
func hashing(ctx context.Context, g *Governor, atATime int, all *sync.WaitGroup, stop <-chan struct{}) {
	for range atATime {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_ = g.CheckDummy(ctx, "p")
				}
			}
		})
	}
}

// While a known client's job runs, the flood's stop, and go on after it. None waits longer than its
// patience.
func TestGovernor_floodPausesBesidePreferredJobs(t *testing.T) {
	g := newGovernor(t, GovernorConfig{Workers: 2, MaxWait: time.Minute})
	stop := make(chan struct{})
	var all sync.WaitGroup
	defer all.Wait()
	defer close(stop)
	hashing(t.Context(), g, 2, &all, stop)
	paused := func() int {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.paused[busy])
	}
	known := func() (end func()) {
		hold := make(chan struct{})
		all.Go(func() { _ = g.do(as(t, "alice", true), func(*memory) { <-hold }) })
		return sync.OnceFunc(func() { close(hold) })
	}

	endLong := known()
	defer endLong()
	eventually(t, "the flood pauses", func() bool { return paused() == 2 })
	begin := time.Now()
	eventually(t, "the flood has no more patience", func() bool { return paused() == 0 })
	if took := time.Since(begin); took < patience/2 {
		t.Errorf("the flood paused for %v only", took)
	}
	endLong()
	eventually(t, "nothing is preferred any more", func() bool { return g.preferred[busy].Load() == 0 })

	endShort := known()
	defer endShort()
	eventually(t, "the flood pauses again", func() bool { return paused() == 2 })
	begin = time.Now()
	endShort()
	eventually(t, "the flood goes on", func() bool { return paused() == 0 })
	if took := time.Since(begin); took > patience/2 {
		t.Errorf("the flood went on %v after the known client's job", took)
	}
}

// Known clients that flood the governor themselves take turns with the others, who do not pause.
func TestGovernor_knownClientsInLineKeepNobodyOut(t *testing.T) {
	g := newGovernor(t, GovernorConfig{Workers: 1, MaxWait: time.Minute})
	stop, hold := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	defer all.Wait()
	defer close(stop)
	defer close(hold)
	hashing(t.Context(), g, 1, &all, stop)
	eventually(t, "the others have their worker", func() bool { return g.Stats().Running == 1 })
	paused := func() int {
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.paused[busy])
	}
	for range g.most() {
		all.Go(func() { _ = g.do(as(t, "alice", true), func(*memory) { <-hold }) })
	}
	eventually(t, "known clients' jobs are in line", func() bool { return g.Stats().Queued == g.most()-1 })
	for range 20 {
		if n := paused(); n != 0 {
			t.Fatalf("%d jobs of the others pause", n)
		}
		time.Sleep(time.Millisecond)
	}
}

// While clients wait in line a worker is held in reserve, with its memory; and it ends with the
// others.
func TestGovernor_workerInReserveIsReady(t *testing.T) {
	g := newGovernor(t, GovernorConfig{Workers: 1, MaxWait: time.Minute})
	g.linger = 10 * time.Millisecond
	release := occupy(t, g)
	var all sync.WaitGroup
	for range fewHashes.Burst { // after which it is not preferred any more
		g.clientOf(as(t, "flood", false))
	}
	for range 8 {
		all.Go(func() { _ = g.CheckDummy(as(t, "flood", false), "p") })
	}
	eventually(t, "some wait in line", func() bool { return g.Stats().Queued == 8 })
	time.Sleep(10 * g.linger)
	g.mu.Lock()
	workers := g.total() + len(g.idle)
	g.mu.Unlock()
	if workers < 2 || workers > g.most() {
		t.Errorf("%d workers are held, want one in reserve and at most %d in all", workers, g.most())
	}
	var ready int
	if err := g.do(as(t, "alice", true), func(m *memory) { ready = len(m.blocks) }); err != nil {
		t.Error(err)
	}
	if ready == 0 {
		t.Error("a preferred client found a worker without memory")
	}
	release()
	all.Wait()
	eventually(t, "all workers have ended", func() bool { return atRest(g) })
}
