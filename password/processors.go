package password

import (
	"runtime"
	"sync"
)

// processors raises GOMAXPROCS while governors work. Go runs at most GOMAXPROCS goroutines at a
// time, whatever the priority of their threads: with as many workers on top, a request does not
// wait for one. All the time it would tax every request, since Go's scheduler then looks for work
// in more places.
type processors struct {
	mu      sync.Mutex
	workers int  // of all governors at work
	before  int  // what GOMAXPROCS was
	byGo    bool // before was Go's own choice, which follows the cores that the program may use
	raised  int  // what it was raised to, or 0
}

// spare is added to the workers. A thread that waits in the system, for a disk say, keeps its place
// among GOMAXPROCS for a time. With one core and one worker, nobody would look meanwhile for what
// comes from the network: Go does every 10 ms then.
const spare = 1

// ofProcess is for all governors of the process, since it has one GOMAXPROCS.
var ofProcess processors

// raise makes room for so many workers more, until lower is called with the same number.
func (p *processors) raise(workers int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.workers += workers
	if now := runtime.GOMAXPROCS(0); now != p.raised {
		// Only this tells whose choice it was. If it was Go's already, it changes nothing.
		runtime.SetDefaultGOMAXPROCS()
		p.before, p.byGo = now, runtime.GOMAXPROCS(0) == now
	}
	p.raised = p.before + p.workers + spare
	runtime.GOMAXPROCS(p.raised)
}

// lower undoes raise when the last governor has come to rest, unless somebody else has set
// GOMAXPROCS since.
func (p *processors) lower(workers int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.workers -= workers
	if p.workers > 0 {
		return
	}
	switch {
	case runtime.GOMAXPROCS(0) != p.raised:
	case p.byGo:
		runtime.SetDefaultGOMAXPROCS()
	default:
		runtime.GOMAXPROCS(p.before)
	}
	p.raised = 0
}

// cores is what GOMAXPROCS is without the governors, and no more than there are.
func (p *processors) cores() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := runtime.GOMAXPROCS(0)
	if now == p.raised {
		now = p.before
	}
	return min(now, runtime.NumCPU())
}
