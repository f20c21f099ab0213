package password

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// The rules of a governor:
//
//   - Its workers are threads of their own. A worker is a goroutine locked to a thread, whose scheduling priority it
//     lowers; it never unlocks, so the thread ends with it. An ordinary user may not raise a priority again, so a
//     thread that other goroutines use must never be lowered.
//   - All work is done on the worker's goroutine (argon2.go starts none), or the low priority would be for nothing.
//   - Go runs at most GOMAXPROCS goroutines at a time, whatever the priority of their threads, so workers are fewer.
//   - Each client of [WithClient] has a line of its own, and the lines take turns: whoever asks for many hashes
//     waits for their own, and keeps nobody else waiting for more than one a turn.
//   - A worker starts with a job and ends when the queue is empty. It keeps its memory from job to job.

// ErrOverloaded says that a job was turned away because it would have waited, or has waited, too long.
var ErrOverloaded = errors.New("password: too many hashes are asked for")

// OverloadedError is the [ErrOverloaded] that [Governor] returns.
type OverloadedError struct {
	// RetryAfter is how long the queue of now will take: whole seconds, from 1 s to 60 s.
	RetryAfter time.Duration
}

// Error implements error.
func (e *OverloadedError) Error() string {
	return fmt.Sprintf("%s: try again in %s", ErrOverloaded, e.RetryAfter)
}

// Unwrap returns [ErrOverloaded].
func (e *OverloadedError) Unwrap() error { return ErrOverloaded }

// GovernorConfig configures a [Governor]. Its zero value is good for most programs.
type GovernorConfig struct {
	// Workers is how many hashes are computed at a time. It should be at most the number of cores, and must be less
	// than GOMAXPROCS for the rest of the program to stay fast while hashes are computed. A server that wants all its
	// cores for hashes while nothing else needs them calls runtime.GOMAXPROCS(2*cores) and sets Workers to cores.
	// Defaults to the number of cores, or to GOMAXPROCS-1 when that is less, or to 1.
	Workers int
	// MaxWait is how long a job may wait for a worker. Defaults to 2 s.
	MaxWait time.Duration
	// Params are the costs of new hashes and of the dummy's.
	Params Params
}

// Governor computes hashes with bounded cores, memory and waiting. Where the system allows it (Linux) its threads have
// a lower priority than the rest of the program, so hashes take the time that nothing else wants.
//
// It lives from [NewGovernor] on, needs no closing, and has no goroutine while it has no job. Its memory is that of
// Workers hashes: 19 MiB each at the default costs, more while a stored hash that asks for more is checked. Its
// methods may be called by any number of goroutines.
type Governor struct {
	workers int
	maxWait time.Duration
	params  Params

	mu      sync.Mutex
	running int           // workers that are alive
	queue   queue         // empty unless all workers are alive
	mean    time.Duration // of the time that one job took lately
	shed    uint64
}

// NewGovernor returns a governor, or an error that lists each mistake of c. It starts no goroutine.
func NewGovernor(c GovernorConfig) (*Governor, error) {
	var errs []error
	if c.Workers < 0 {
		errs = append(errs, errors.New("password: negative Workers"))
	}
	if c.MaxWait < 0 {
		errs = append(errs, errors.New("password: negative MaxWait"))
	}
	params, err := c.Params.validated()
	if err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if c.Workers == 0 {
		c.Workers = max(1, min(runtime.NumCPU(), runtime.GOMAXPROCS(0)-1))
	}
	if c.MaxWait == 0 {
		c.MaxWait = 2 * time.Second
	}
	// A core fills a KiB in about a microsecond. What jobs really take replaces this as they end.
	guess := time.Duration(params.MemoryKiB*params.Passes) * time.Microsecond
	return &Governor{workers: c.Workers, maxWait: c.MaxWait, params: params, mean: guess}, nil
}

// Hash is [Params.Hash] with the costs of the governor. Besides, it returns an [*OverloadedError], or the error of ctx
// when that ends first.
func (g *Governor) Hash(ctx context.Context, password string) (string, error) {
	var encoded string
	err := g.do(ctx, func(m *memory) { encoded = g.params.hash(password, m) })
	if err != nil {
		return "", err
	}
	return encoded, nil
}

// Check is the package's [Check]. Besides, it returns an [*OverloadedError], or the error of ctx when that ends first.
// A hash that cannot be checked is refused without waiting.
func (g *Governor) Check(ctx context.Context, encoded, password string) error {
	s, err := parse(encoded)
	if err != nil {
		return err
	}
	var result error
	err = g.do(ctx, func(m *memory) { result = check(s, password, m) })
	if err != nil {
		return err
	}
	return result
}

// CheckDummy is [Params.CheckDummy] with the costs of the governor: it queues, waits and fails as Check does, and
// otherwise returns [ErrMismatch].
func (g *Governor) CheckDummy(ctx context.Context, password string) error {
	if err := g.Check(ctx, g.params.decoy(), password); err != nil {
		return err
	}
	return ErrMismatch
}

// NeedsRehash reports whether a stored hash is not one that [Governor.Hash] makes now: see [NeedsRehash].
func (g *Governor) NeedsRehash(encoded string) bool { return NeedsRehash(encoded, g.params) }

// GovernorStats is what a governor is doing.
type GovernorStats struct {
	Running int           // jobs being computed
	Queued  int           // jobs waiting
	Shed    uint64        // jobs turned away or that waited too long, since the start
	Mean    time.Duration // how long one job took lately, without its waiting
}

// Stats returns what g is doing now.
func (g *Governor) Stats() GovernorStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return GovernorStats{Running: g.running, Queued: g.queue.len, Shed: g.shed, Mean: g.mean}
}

type job struct {
	run   func(*memory)
	done  chan struct{} // closed when run has returned
	line  *line         // that it stands in, or nil; guarded by Governor.mu
	place *list.Element // in that line; guarded by Governor.mu
}

// do has a worker run the function and waits for it. When it returns an error the function may still be running.
func (g *Governor) do(ctx context.Context, run func(*memory)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{run: run, done: make(chan struct{})}
	if err := g.admit(j, clientOf(ctx)); err != nil {
		return err
	}
	tooLong := time.NewTimer(g.maxWait)
	defer tooLong.Stop()
	select {
	case <-j.done:
		return nil
	case <-ctx.Done():
		g.withdraw(j)
		return ctx.Err()
	case <-tooLong.C:
		if g.withdraw(j) {
			return g.overloaded()
		}
	}
	select {
	case <-j.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// admit gives j to a new worker, or puts it in the queue unless it would surely wait there for too long.
func (g *Governor) admit(j *job, c client) error {
	g.mu.Lock()
	if g.running < g.workers {
		g.running++
		g.mu.Unlock()
		go g.work(j)
		return nil
	}
	if g.time(g.queue.before(c)) > g.maxWait {
		g.mu.Unlock()
		return g.overloaded()
	}
	g.queue.push(j, c)
	g.mu.Unlock()
	return nil
}

// time is how long that many jobs keep all workers busy. The caller holds mu.
func (g *Governor) time(jobs int) time.Duration {
	return time.Duration(jobs) * g.mean / time.Duration(g.workers)
}

// overloaded counts a job that is turned away and returns its error.
func (g *Governor) overloaded() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shed++
	wait := (g.time(g.queue.len) + time.Second - 1).Truncate(time.Second)
	return &OverloadedError{RetryAfter: min(max(wait, time.Second), time.Minute)}
}

// withdraw takes j out of the queue and reports whether it was there.
func (g *Governor) withdraw(j *job) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if j.line == nil {
		return false
	}
	g.queue.remove(j)
	return true
}

// work is a worker: it runs j and then what is in the queue.
func (g *Governor) work(j *job) {
	runtime.LockOSThread() // and not unlocked: the thread ends with the goroutine
	if isMainThread() {
		// The main thread cannot end, and is the one that shows the program's priority. While it is held here the
		// worker's is another.
		defer runtime.UnlockOSThread()
		ended := make(chan struct{})
		go func() { defer close(ended); g.work(j) }()
		<-ended
		return
	}
	lowerPriority()
	var m memory
	for j != nil {
		start := time.Now()
		j.run(&m)
		close(j.done)
		m.shrink(g.params.MemoryKiB)
		j = g.next(time.Since(start))
	}
}

// next returns the job of the queue whose turn it is, or nil when the worker that asks is to end. took is how long its last job was.
func (g *Governor) next(took time.Duration) *job {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mean += (took - g.mean) / 8
	j := g.queue.pop()
	if j == nil {
		g.running--
	}
	return j
}
