package password

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The rules of a governor:
//
//   - Its workers are threads of their own. A worker is a goroutine locked to a thread, whose
//     scheduling priority it lowers; it never unlocks, so the thread ends with it. An ordinary user
//     may not raise a priority again, so a thread that other goroutines use must never be lowered.
//   - All work is done on the worker's goroutine (argon2.go starts none), or the low priority would
//     be for nothing.
//   - Go runs at most GOMAXPROCS goroutines at a time, whatever the priority of their threads, so
//     while there are workers it is raised (processors.go), and garbage is collected more rarely
//     (garbage.go).
//   - Each client of [WithClient] has a line of its own, and the lines take turns: whoever asks for
//     many hashes waits for their own, and keeps nobody else waiting for more than one a turn.
//   - There are three kinds of clients (queue.go): busy ones, those that ask for few hashes, and
//     known ones. Each may have one worker more than the kind before it, so it never waits until a
//     hash of that kind is done.
//   - A job pauses while one of a later kind is computed (giveway.go). A low priority alone does not
//     do that: all workers have the same, since a lower one would let the whole program wait at a
//     garbage collection for a thread that does not get to run.
//   - A worker starts with a job and ends when there has been none for a while. Until then it keeps
//     its thread and its memory, so that one log-in after another finds them ready; then all is as
//     if there had never been a job.

// ErrOverloaded says that a job was turned away because it would have waited, or has waited, too
// long.
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
	// Workers is how many hashes are computed at a time. It should be at most the number of cores.
	// Defaults to that number, or to GOMAXPROCS when that is less; where GOMAXPROCS is kept, to one
	// less than it, or to 1. Two more are in reserve for the clients that [WithClient] prefers,
	// unless GOMAXPROCS is kept.
	Workers int
	// KeepGOMAXPROCS leaves GOMAXPROCS alone. By default it is raised by Workers and three while
	// hashes are computed, so that other goroutines find room beside them, and half a second after
	// the last it is what it was. It is always left alone where the environment sets it. Where it
	// is, Workers must be less for the rest of the program to stay fast.
	KeepGOMAXPROCS bool
	// KeepGOGC leaves the percentage of garbage at which Go collects alone. By default a heap of
	// less than 32 MiB gathers up to 32 MiB of garbage while hashes are computed: each collection
	// would hold up requests. It is always left alone where the environment sets GOGC.
	KeepGOGC bool
	// MaxWait is how long a job may wait for a worker. Defaults to 2 s.
	MaxWait time.Duration
	// Params are the costs of new hashes and of the dummy's.
	Params Params
}

// Governor computes hashes with bounded cores, memory and waiting. Where the system allows it
// (Linux) its threads have a lower priority than the rest of the program, so hashes take the time
// that nothing else wants.
//
// It lives from [NewGovernor] on, needs no closing, and half a second after its last job has no
// goroutine and no memory. Until then its memory is that of at most Workers hashes, and of two more
// for clients that [WithClient] prefers: 19 MiB each at the default costs, more while a stored hash
// that asks for more is checked. On Linux it is not of Go's heap, and debug.SetMemoryLimit does not
// count it. Its methods may be called by any number of goroutines.
type Governor struct {
	workers int
	maxWait time.Duration
	linger  time.Duration // how long a worker waits for another job
	params  Params
	procs   *processors  // or nil where GOMAXPROCS is kept
	garbage *collections // or nil where GOGC is kept

	reserve int    // workers that each kind of client may have more than the kind before it
	asked   *asked // counts what clients that are not known ask for

	preferred [kinds]atomic.Int32 // jobs that have a worker and are of a later kind than this one

	mu      sync.Mutex
	running [kinds]int             // jobs of each kind that have a worker
	paused  [kinds][]chan struct{} // those of them that give way; a closed channel lets one go on
	idle    []*worker              // workers without a job, the last to have had one last
	queue   queue                  // none of its jobs may have a worker now
	mean    time.Duration          // of the time that one job took lately
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
	g := &Governor{
		workers: c.Workers, maxWait: c.MaxWait, linger: linger, params: params, asked: newAsked(),
	}
	if !c.KeepGOMAXPROCS && os.Getenv("GOMAXPROCS") == "" {
		g.procs, g.reserve = &ofProcess, 1 // otherwise more workers would take what requests need
	}
	if !c.KeepGOGC && os.Getenv("GOGC") == "" {
		g.garbage = &ofHeap
	}
	if g.workers == 0 && g.procs != nil {
		g.workers = g.procs.cores()
	} else if g.workers == 0 {
		g.workers = max(1, min(runtime.NumCPU(), runtime.GOMAXPROCS(0)-1))
	}
	if c.MaxWait == 0 {
		g.maxWait = 2 * time.Second
	}
	// A core fills a KiB in a microsecond at most. What jobs really take replaces this as they end.
	g.mean = time.Duration(params.MemoryKiB*params.Passes) * time.Microsecond
	return g, nil
}

// Hash is [Params.Hash] with the costs of the governor. Besides, it returns an [*OverloadedError],
// or the error of ctx when that ends first.
func (g *Governor) Hash(ctx context.Context, password string) (string, error) {
	var encoded string
	err := g.do(ctx, func(m *memory) { encoded = g.params.hash(password, m) })
	if err != nil {
		return "", err
	}
	return encoded, nil
}

// Check is the package's [Check]. Besides, it returns an [*OverloadedError], or the error of ctx
// when that ends first. A hash that cannot be checked is refused without waiting. If preparing
// changes the password, its two hashes are two jobs, which wait their turn one after the other.
func (g *Governor) Check(ctx context.Context, encoded, password string) error {
	_, err := g.CheckNeedsRehash(ctx, encoded, password)
	return err
}

// CheckNeedsRehash is [Governor.Check]. If it returns no error, it also reports whether to store a
// new hash of the password: see [NeedsRehash]. In addition, a hash needs it if it was made from the
// password as sent, and [Governor.Hash] would make it from another spelling.
func (g *Governor) CheckNeedsRehash(ctx context.Context, encoded, password string) (bool, error) {
	s, err := parse(encoded)
	if err != nil {
		return false, err
	}
	onlyAsSent, err := match(s, password, func(hash func(*memory)) error { return g.do(ctx, hash) })
	if err != nil {
		return false, err
	}
	return onlyAsSent || g.NeedsRehash(encoded), nil
}

// CheckDummy is [Params.CheckDummy] with the costs of the governor: it queues, waits and fails as
// Check does, and otherwise returns [ErrMismatch].
func (g *Governor) CheckDummy(ctx context.Context, password string) error {
	if err := g.Check(ctx, g.params.decoy(), password); err != nil {
		return err
	}
	return ErrMismatch
}

// NeedsRehash reports whether a stored hash is not one that [Governor.Hash] makes now: see
// [NeedsRehash].
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
	return GovernorStats{Running: g.total(), Queued: g.queue.len, Shed: g.shed, Mean: g.mean}
}

type job struct {
	client client
	run    func(*memory)
	done   chan struct{} // closed when run has returned
	waited time.Duration // while it gave way; its worker's
	line   *line         // that it stands in, or nil; guarded by Governor.mu
	place  *list.Element // in that line; guarded by Governor.mu
}

// do has a worker run the function and waits for it. When it returns an error the function may
// still be running.
func (g *Governor) do(ctx context.Context, run func(*memory)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{client: g.clientOf(ctx), run: run, done: make(chan struct{})}
	if err := g.admit(j); err != nil {
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

// admit gives j to a worker, or puts it in the queue unless it would surely wait there for too
// long.
func (g *Governor) admit(j *job) error {
	g.mu.Lock()
	if g.may(j.client.kind) {
		g.count(j.client.kind, 1)
		if g.giveIdle(j) {
			g.mu.Unlock()
			return nil
		}
		first := g.total() == 1
		g.mu.Unlock()
		if first && g.procs != nil {
			g.procs.raise(g.most())
		}
		go g.work(newWorker(), j)
		return nil
	}
	if g.time(g.queue.before(j.client)) > g.maxWait {
		g.mu.Unlock()
		return g.overloaded()
	}
	g.queue.push(j)
	g.resume()
	if j.client.name != "" {
		g.prepare()
	}
	g.mu.Unlock()
	return nil
}

// prepare starts a worker in advance, unless one is idle or there are as many as there may be. So
// while clients wait in line, the next preferred one finds a thread and memory ready. Where the
// system is short of large pages, giving 19 MiB takes it longer than a hash. The caller holds mu.
func (g *Governor) prepare() {
	if len(g.idle) == 0 && g.total() < g.most() {
		w := newWorker()
		g.idle = append(g.idle, w)
		go g.work(w, nil)
	}
}

// may reports whether a job of that kind may have a worker now. The jobs of the first kinds
// together are never more than the workers for these kinds, and those of one kind never more than
// Workers: more at a time would only take longer. The caller holds mu.
func (g *Governor) may(k kind) bool {
	if g.running[k] >= g.workers {
		return false
	}
	running := 0
	for i, n := range g.running {
		running += n
		if kind(i) >= k && running >= g.workers+i*g.reserve {
			return false
		}
	}
	return true
}

// most is how many workers there may be.
func (g *Governor) most() int { return g.workers + (kinds-1)*g.reserve }

// total is how many jobs have a worker. The caller holds mu.
func (g *Governor) total() (n int) {
	for _, running := range g.running {
		n += running
	}
	return n
}

// count counts n jobs more of a kind that have a worker. The caller holds mu.
func (g *Governor) count(k kind, n int) {
	g.running[k] += n
	for lower := range k {
		g.preferred[lower].Add(int32(n))
	}
}

// giveIdle gives j to an idle worker and reports whether there was one. The caller holds mu.
func (g *Governor) giveIdle(j *job) bool {
	n := len(g.idle)
	if n == 0 {
		return false
	}
	g.idle[n-1].jobs <- j
	g.idle = g.idle[:n-1]
	return true
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

// linger is how long a worker waits for another job: not long beside the minutes between storms,
// and long beside a hash, so that little of a busy time is spent on new threads and memory and on
// changing GOMAXPROCS.
const linger = 500 * time.Millisecond

// worker computes one job after another.
type worker struct {
	memory memory
	jobs   chan *job // holds the one that it is given while it is idle
}

func newWorker() *worker {
	return &worker{memory: memory{mapped: true}, jobs: make(chan *job, 1)}
}

// work is the life of a worker, which starts with j or, if that is nil, idle.
func (g *Governor) work(w *worker, j *job) {
	runtime.LockOSThread() // and not unlocked: the thread ends with the goroutine
	if isMainThread() {
		// The main thread cannot end, and is the one that shows the program's priority. While it is
		// held here the worker's is another.
		defer runtime.UnlockOSThread()
		ended := make(chan struct{})
		go func() { defer close(ended); g.work(w, j) }()
		<-ended
		return
	}
	lowerPriority()
	if j == nil {
		clear(w.memory.take(g.params.MemoryKiB)) // the system gives memory when it is first written to
		j = g.await(w)
	}
	for j != nil {
		start := time.Now()
		g.garbage.delay()
		w.memory.pause = func() { g.giveWay(j) }
		j.run(&w.memory)
		w.memory.shrink(g.params.MemoryKiB)
		next := g.next(w, j, time.Since(start)-j.waited)
		close(j.done)
		if next == nil {
			next = g.await(w)
		}
		j = next
	}
}

// next ends the job of w and returns the job of the queue whose turn it is, or makes w idle and
// returns nil. took is how long the job was computed.
func (g *Governor) next(w *worker, ended *job, took time.Duration) *job {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mean += (took - g.mean) / 8
	g.count(ended.client.kind, -1)
	j := g.queue.pop(g.may)
	if j == nil {
		g.idle = append(g.idle, w)
	} else {
		g.count(j.client.kind, 1)
	}
	g.resume()
	return j
}

// await returns the next job that w is given, or nil when there has been none for a while and w is
// to end.
func (g *Governor) await(w *worker) *job {
	for {
		tooLong := time.NewTimer(g.linger)
		select {
		case j := <-w.jobs:
			tooLong.Stop()
			return j
		case <-tooLong.C:
		}
		if g.dismiss(w) {
			return nil
		}
	}
}

// rest undoes what the governor has changed for its work.
func (g *Governor) rest() {
	g.garbage.restore()
	if g.procs != nil {
		g.procs.lower(g.most())
	}
}

// dismiss lets w end, and reports that, unless it has been given a job at the last moment or is
// still held ready.
func (g *Governor) dismiss(w *worker) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.idle, w)
	if i < 0 || g.queue.len > 0 {
		return false
	}
	g.idle = slices.Delete(g.idle, i, i+1)
	w.memory.release() // not later, or there could be more memory than workers
	if g.total() == 0 && len(g.idle) == 0 {
		// Not here: the world stands still meanwhile, and should not wait for a thread of low
		// priority.
		go g.rest()
	}
	return true
}
