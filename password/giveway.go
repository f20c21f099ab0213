package password

import (
	"slices"
	"time"
)

// patience is how long a job gives way to others in all: several hashes of theirs, so that few of a
// flood's get in the way, and not long beside the time that a job may wait for its turn.
const patience = 100 * time.Millisecond

// giveWay pauses a job while it would compute beside a preferred one without room for both, but no
// longer than its patience. So the preferred one has a core for itself, on every system.
func (g *Governor) giveWay(j *job) {
	k := j.client.kind
	if g.preferred[k].Load() == 0 || j.waited >= patience {
		return
	}
	g.mu.Lock()
	if g.room(k) >= 0 {
		g.mu.Unlock()
		return
	}
	resume := make(chan struct{})
	g.paused[k] = append(g.paused[k], resume)
	g.mu.Unlock()

	begin := time.Now()
	longest := time.NewTimer(patience - j.waited)
	defer longest.Stop()
	select {
	case <-resume:
	case <-longest.C:
		g.mu.Lock()
		g.paused[k] = slices.DeleteFunc(g.paused[k], func(c chan struct{}) bool { return c == resume })
		g.mu.Unlock()
	}
	j.waited += time.Since(begin)
}

// room is how many more jobs of a kind may compute now, or less than 0 if there are too many.
// Beside a preferred job they leave a core free: otherwise the system may let that job share a core
// with one of them while a third thread has the other core now and then. Where preferred jobs stand
// in line themselves, nobody gives way: they would keep the others out. The caller holds mu.
func (g *Governor) room(k kind) int {
	allowed := g.most()
	if preferred := int(g.preferred[k].Load()); preferred > 0 && !g.queue.anyAfter(k) {
		allowed = max(0, g.workers-1-preferred)
	}
	return allowed - (g.running[k] - len(g.paused[k]))
}

// resume lets paused jobs go on for which there is room again. The caller holds mu.
func (g *Governor) resume() {
	for k := range kind(kinds) {
		for len(g.paused[k]) > 0 && g.room(k) > 0 {
			close(g.paused[k][0])
			g.paused[k] = g.paused[k][1:]
		}
	}
}
