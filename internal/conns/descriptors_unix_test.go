//go:build unix

package conns_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/hallpass-go/hallpass/internal/conns"
)

func TestListener_withoutDescriptorsIdleConnectionsGiveWayAndTheLogTells(t *testing.T) {
	s := open(t, conns.Config{Max: 1000, PerAddress: 1000})
	s.idle(t, "127.0.0.2", 3)
	lower(t, 512)
	var taken []int
	for {
		fd, err := syscall.Dup(0)
		if err != nil {
			break
		}
		taken = append(taken, fd)
	}
	defer func() {
		for _, fd := range taken {
			_ = syscall.Close(fd)
		}
	}()
	// The client's end of the next connection takes it, and none is left for the server's end.
	_ = syscall.Close(taken[0])
	taken = taken[1:]
	wantAnswer(t, "who comes when no descriptor is left", s.dial(t, "127.0.0.3"))
	if log := s.log.String(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, "could not be accepted") {
		t.Errorf("the log does not tell of it: %s", log)
	}
}

func TestLimit_leavesDescriptorsForTheRest(t *testing.T) {
	limit := lower(t, 256)
	if got := conns.Limit(10000); got != 192 {
		t.Errorf("of %d descriptors %d are for connections, want 192", limit, got)
	}
	if got := conns.Limit(100); got != 100 {
		t.Errorf("limit %d where 100 were wanted", got)
	}
	lower(t, 40)
	if got := conns.Limit(10000); got != 20 {
		t.Errorf("of 40 descriptors %d are for connections, want half", got)
	}
}

// lower lowers the limit of file descriptors during the test.
func lower(t *testing.T, to uint64) uint64 {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	lowered := before
	lowered.Cur = to
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lowered); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before) })
	return to
}
