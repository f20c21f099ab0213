package password

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
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
	const thisThread = 1 // RUSAGE_THREAD of getrusage(2)
	spent := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(thisThread, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	h := argon2id{costs: Params{}.withDefaults(), salt: repeated('s', 16)}
	before := spent()
	start := time.Now()
	h.derive("p", tagLength, new(memory))
	took := time.Since(start)
	if own := spent() - before; own < 5*time.Millisecond {
		t.Errorf("of %v the calling thread computed %v", took, own)
	}
}
