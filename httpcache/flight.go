package httpcache

import (
	"context"
	"sync"
)

// flights are the answers that are being made, so that equal requests call a handler once. The
// request that comes first makes the answer, and the others wait for it.
type flights struct {
	mu      sync.Mutex
	running map[Key]*flight // guarded by mu
}

type flight struct {
	waiting int                // requests that want the answer; guarded by flights.mu
	cancel  context.CancelFunc // ends the context of the handler; nil in the background; guarded by flights.mu

	done     chan struct{} // is closed at the end; the fields below are to be read then
	kept     bool          // the answer was given to the store
	panicked any           // what the handler panicked with
}

// join returns the flight for a key, and whether the caller is to make the answer. A flight that
// everybody has left is not joined: its handler may have been told to stop.
func (f *flights) join(key Key) (running *flight, leads bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if running = f.running[key]; running != nil && running.waiting > 0 {
		running.waiting++
		return running, false
	}
	running = &flight{waiting: 1, done: make(chan struct{})}
	f.running[key] = running
	return running, true
}

// onLeft says what to do when nobody waits any more.
func (f *flights) onLeft(running *flight, cancel context.CancelFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	running.cancel = cancel
}

// leave is for a request whose client has hung up. When nobody waits any more, the handler is told to
// stop.
func (f *flights) leave(left *flight) {
	f.mu.Lock()
	left.waiting--
	cancel := left.cancel
	nobody := left.waiting == 0
	f.mu.Unlock()
	if nobody && cancel != nil {
		cancel()
	}
}

// land lets those who wait go on. It may be called again.
func (f *flights) land(key Key, landed *flight, kept bool, panicked any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-landed.done:
		return
	default:
	}
	if f.running[key] == landed {
		delete(f.running, key)
	}
	landed.kept, landed.panicked = kept, panicked
	close(landed.done)
}
