package password

import (
	"context"
	"encoding/binary"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A hash takes a place among Go's, and so does a thread that waits for a disk. There is one more,
// or nobody would look for what comes from the network. What comes here is the kernel's doing, as
// requests are: a timer that is read like a connection.
func TestGovernor_requestsAreSeenWhileAThreadWaitsInTheSystem(t *testing.T) {
	calmProcessors(t)
	runtime.GOMAXPROCS(1)
	defer runtime.SetDefaultGOMAXPROCS()
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	timer := os.NewFile(uintptr(fd), "timer")
	defer timer.Close()
	const every = 700 * time.Microsecond
	step := unix.NsecToTimespec(every.Nanoseconds())
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Interval: step, Value: step}, nil); err != nil {
		t.Fatal(err)
	}
	g := newGovernor(t, GovernorConfig{Workers: 1})
	stop := make(chan struct{})
	var all sync.WaitGroup
	for _, again := range []func(){
		func() { _ = g.CheckDummy(context.Background(), "p") },
		func() { _ = g.CheckDummy(context.Background(), "p") },
		func() { // keeps its place, unlike time.Sleep
			_ = syscall.Nanosleep(&syscall.Timespec{Nsec: 2e7}, nil)
			time.Sleep(time.Millisecond)
		},
	} {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					again()
				}
			}
		})
	}
	var median, most time.Duration
	for range 4 { // of which one must not meet whatever else the machine does
		median, most = lateness(t, timer, every)
		t.Logf("seen %v late in the median, and %v in one case of ten", median, most)
		if most <= 2*every {
			break
		}
	}
	close(stop)
	all.Wait()
	if most > 2*every {
		t.Errorf("beside a hash and a thread that waits, one request of ten is seen %v late", most)
	}
}

// lateness returns how long after a timer was due, again and again, it was seen: in the median, and
// in one case of ten.
func lateness(t *testing.T, timer *os.File, every time.Duration) (median, most time.Duration) {
	t.Helper()
	var late []time.Duration
	for len(late) < 1000 {
		var count [8]byte
		if _, err := timer.Read(count[:]); err != nil {
			t.Fatal(err)
		}
		for n := range binary.NativeEndian.Uint64(count[:]) {
			late = append(late, time.Duration(n)*every)
		}
	}
	slices.Sort(late)
	return late[len(late)/2], late[len(late)*9/10]
}
