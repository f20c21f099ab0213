package password

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// nicer returns how many threads of this process are nicer than its main thread.
func nicer(t *testing.T) int {
	t.Helper()
	stats, err := filepath.Glob("/proc/self/task/*/stat")
	if err != nil || len(stats) == 0 {
		t.Fatalf("reading the threads: %v, %d found", err, len(stats))
	}
	nice := func(name string) int {
		text, err := os.ReadFile(name)
		if err != nil {
			return -20 // it has ended
		}
		_, fields, _ := strings.Cut(string(text), ") ")
		n, err := strconv.Atoi(strings.Fields(fields)[16]) // the 19th of proc_pid_stat(5)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	main := nice("/proc/self/task/" + strconv.Itoa(os.Getpid()) + "/stat")
	count := 0 // a thread that is ending may be in it, or hide another from the listing
	for _, name := range stats {
		if nice(name) > main {
			count++
		}
	}
	return count
}

func TestGovernor_lowersItsOwnThreadsAndNoOther(t *testing.T) {
	const workers = 4
	eventually(t, "no thread is nicer before there is a governor", func() bool { return nicer(t) == 0 })
	normal, err := niceness()
	if err != nil {
		t.Fatal(err)
	}
	if normal == 19 {
		t.Skip("this process has the lowest priority already: nothing can be lower")
	}
	for range 20 {
		g := newGovernor(t, GovernorConfig{Workers: workers, MaxWait: time.Minute})
		g.linger = 0
		var all sync.WaitGroup
		for range 4 * workers {
			all.Go(func() {
				_ = g.do(t.Context(), func(*memory) {
					if nice, err := niceness(); err != nil || nice != min(normal+niceStep, 19) || isMainThread() {
						t.Errorf("a job ran at niceness %d (%v), main thread: %v", nice, err, isMainThread())
					}
				})
			})
		}
		release := occupy(t, g)
		eventually(t, "as many threads are nicer as workers work", func() bool { return nicer(t) == workers })
		release()
		all.Wait()
		eventually(t, "the nicer threads have ended", func() bool { return nicer(t) == 0 })
	}
}

// Were the work done by goroutines that the hash starts, the worker's priority would not count.
func TestDerivation_isDoneOnItsCallersThread(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	h := argon2Hash{kind: argon2idType, costs: Params{}.withDefaults(), salt: repeated('s', 16)}
	before := computing(t, unix.CLOCK_THREAD_CPUTIME_ID)
	start := time.Now()
	h.derive("p", tagLength, new(memory))
	took := time.Since(start)
	if own := computing(t, unix.CLOCK_THREAD_CPUTIME_ID) - before; own < 5*time.Millisecond {
		t.Errorf("of %v the calling thread computed %v", took, own)
	}
}

// computing returns how much time is on a clock of clock_gettime(2): what this process or this
// thread has computed.
func computing(t *testing.T, clock int32) time.Duration {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(clock, &ts); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

// A governor with nothing set computes as many hashes as the cores can, on one core too: it has a
// worker for each, and of what the process computes meanwhile, log-ins waiting in line included, at
// least 97 hundredths are hashes.
func TestGovernor_computesAsManyHashesAsItsCoresCan(t *testing.T) {
	defer runtime.SetDefaultGOMAXPROCS()
	for _, cores := range []int{1, runtime.NumCPU()} {
		calmProcessors(t)
		runtime.GOMAXPROCS(cores)
		g := newGovernor(t, GovernorConfig{MaxWait: time.Minute})
		if g.workers != cores {
			t.Errorf("%d workers on %d cores", g.workers, cores)
		}
		h := &argon2Hash{kind: argon2idType, costs: Params{}.withDefaults(), salt: repeated('s', 16)}
		var hashing atomic.Int64 // of this, what jobs computed
		login := func() {
			_ = g.do(t.Context(), func(m *memory) {
				before := computing(t, unix.CLOCK_THREAD_CPUTIME_ID)
				h.derive("p", tagLength, m)
				hashing.Add(int64(computing(t, unix.CLOCK_THREAD_CPUTIME_ID) - before))
			})
		}
		login() // a program that has been running for a while
		var share float64
		rounds := 0 // in which nobody else took the processors
		for range 10 {
			hashing.Store(0)
			start, before := time.Now(), computing(t, unix.CLOCK_PROCESS_CPUTIME_ID)
			var all sync.WaitGroup
			for range 24 {
				all.Go(func() { login(); login(); login() })
			}
			all.Wait()
			spent := computing(t, unix.CLOCK_PROCESS_CPUTIME_ID) - before
			if spent < time.Since(start)*time.Duration(cores)*9/10 {
				continue // what the process does while it waits for a processor would count as well
			}
			if rounds++; rounds > 5 {
				break
			}
			if share = max(share, float64(hashing.Load())/float64(spent)); share >= 0.97 {
				break
			}
		}
		if rounds == 0 {
			t.Skipf("other programs took the processors in each of 10 rounds on %d cores", cores)
		}
		t.Logf("on %d cores %.3f of the time goes into hashes", cores, share)
		if share < 0.97 {
			t.Errorf("on %d cores only %.3f of the time goes into hashes", cores, share)
		}
	}
}
