package e2e

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// held is what a browser keeps of a session.
type held struct{ owner, session, refresh, access string }

// jar is what the tabs of one browser share.
type jar struct {
	mu    sync.Mutex
	now   held     // guarded by mu; its refresh token is "" after a logout
	older []string // guarded by mu: refresh tokens of the session that were replaced
}

func (j *jar) look() held {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.now
}

// keep puts an answer in the place of the token that was presented. When another tab was first,
// what it brought stays.
func (j *jar) keep(presented held, got reply) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.now.refresh != presented.refresh {
		return
	}
	j.older = append(j.older, j.now.refresh)
	if got.Session != presented.session {
		j.older = nil
	}
	j.now = held{got.Owner, got.Session, got.Refresh, got.Access}
}

// renew keeps what a proof of the password has brought, whatever a tab has brought meanwhile.
func (j *jar) renew(presented held, got reply) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.now.session != "" && j.now.session != presented.session {
		return
	}
	if j.now.refresh != "" {
		j.older = append(j.older, j.now.refresh)
	}
	j.now = held{got.Owner, got.Session, got.Refresh, got.Access}
}

// drop empties the jar, unless it holds something newer.
func (j *jar) drop(presented held) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.now.refresh == presented.refresh {
		j.now = held{}
	}
}

// steal returns a copy of what is in the jar, or now and then with a refresh token of before.
func (j *jar) steal(r *rand.Rand) held {
	j.mu.Lock()
	defer j.mu.Unlock()
	loot := j.now
	if loot.refresh != "" && len(j.older) > 0 && r.IntN(5) == 0 {
		loot.refresh = j.older[r.IntN(len(j.older))]
	}
	return loot
}

// player is what owners and thieves have in common.
type player struct {
	link  *link
	grace time.Duration
	late  time.Duration // when the grace is certainly over
	rand  *rand.Rand
	stop  <-chan struct{}
}

func (p player) stopped() bool {
	select {
	case <-p.stop:
		return true
	default:
		return false
	}
}

// pause waits between two times, or until the end.
func (p player) pause(least, most time.Duration) {
	select {
	case <-p.stop:
	case <-time.After(least + time.Duration(p.rand.Int64N(int64(most-least)))):
	}
}

// insist sends a message until there is an answer that settles it, for as long as it is still
// wanted. At times the first retry comes late, though within the grace.
func (p player) insist(m message, wanted func() bool) (reply, bool) {
	for tries := 0; wanted(); tries++ {
		got, err := p.link.send(p.rand, m)
		if err == nil && got.Status != http.StatusServiceUnavailable {
			return got, true
		}
		if tries == 0 && p.rand.IntN(4) == 0 {
			p.pause(p.grace/2, p.grace*3/4)
		} else {
			time.Sleep(time.Duration(5+p.rand.IntN(30)) * time.Millisecond)
		}
	}
	return reply{}, false
}

func always() bool { return true }

// owner is a user whose browser has some tabs.
type owner struct {
	player
	name  string // of the first user that they are
	lives int    // how often they had to become somebody else
	user  atomic.Pointer[user]
	tabs  int
	jar   jar
	gone  []held // what is left of sessions that have ended: some of the oldest, then the newest
}

// keptOfEnded is how many ended sessions an owner remembers, half of them the oldest.
const keptOfEnded = 20

func (o *owner) about(h held) call { return call{Owner: h.owner, Session: h.session} }

// live is the owner's day: the tabs refresh when their access token is used up, all at about the
// same time, and at times the machine sleeps for longer than the grace.
func (o *owner) live() {
	for !o.stopped() {
		if o.jar.look().refresh == "" {
			o.login()
		}
		switch n := o.rand.IntN(100); {
		case n < 2:
			o.logout()
		case n < 20:
			o.lookAround(o.jar.look())
		case n < 30:
			if len(o.gone) > 0 {
				o.tryEnded(o.gone[o.rand.IntN(len(o.gone))])
			}
		case n < 36:
			o.stepUp()
		case n < 41:
			o.changePassword()
		case n < 42:
			o.logoutAll()
		default:
			o.refresh()
		}
		if o.rand.IntN(6) == 0 {
			o.pause(o.late, o.late*2)
		} else {
			o.pause(100*time.Millisecond, 500*time.Millisecond)
		}
	}
}

// refresh lets some of the tabs fetch new tokens, and waits for them.
func (o *owner) refresh() {
	before := o.jar.look()
	if before.refresh == "" {
		return
	}
	var tabs sync.WaitGroup
	for range 1 + o.rand.IntN(o.tabs) {
		tab := o.player
		tab.rand = rand.New(rand.NewPCG(o.rand.Uint64(), o.rand.Uint64()))
		tabs.Go(func() {
			time.Sleep(time.Duration(tab.rand.IntN(15)) * time.Millisecond)
			wanted := func() bool { return o.jar.look() == before } // else another tab has brought it
			switch got, _ := tab.insist(refreshMessage(o.about(before), before.refresh), wanted); got.Status {
			case http.StatusOK:
				o.jar.keep(before, got)
			case http.StatusUnauthorized:
				o.jar.drop(before)
			}
		})
	}
	if o.rand.IntN(5) == 0 {
		o.refreshSlowly(before)
	}
	tabs.Wait()
	if o.jar.look().refresh == "" {
		o.lookAround(before) // with the access token of a session that has ended
		o.remember(before)
	}
}

// refreshSlowly is a tab that wakes up later than the others, within the grace, and has not heard
// that there is a new token.
func (o *owner) refreshSlowly(before held) {
	began := time.Now()
	o.pause(o.grace/4, o.grace*3/4)
	wanted := func() bool { return o.jar.look() == before || time.Since(began) < o.grace*8/10 }
	switch got, _ := o.insist(refreshMessage(o.about(before), before.refresh), wanted); got.Status {
	case http.StatusOK:
		o.jar.keep(before, got)
	case http.StatusUnauthorized:
		o.jar.drop(before)
	}
}

func (o *owner) remember(ended held) {
	o.gone = append(o.gone, ended)
	if len(o.gone) > keptOfEnded {
		o.gone = slices.Delete(o.gone, keptOfEnded/2, keptOfEnded/2+1)
	}
}

// tryEnded uses what is left of a session that has ended: both tokens are to be refused, now and
// after each restart.
func (o *owner) tryEnded(ended held) {
	o.lookAround(ended)
	_, _ = o.link.send(o.rand, refreshMessage(o.about(ended), ended.refresh))
}

// lookAround uses an access token.
func (o *owner) lookAround(h held) {
	if h.access != "" {
		_, _ = o.link.send(o.rand, meMessage(o.about(h), h.access))
	}
}

// logout ends the session, and tries what is left of it.
func (o *owner) logout() {
	h := o.jar.look()
	if h.access == "" {
		return
	}
	if _, done := o.insist(logoutMessage(o.about(h), h.access), always); done {
		o.jar.drop(h)
		o.tryEnded(h)
		o.remember(h)
	}
}

// thief copies tokens out of jars.
type thief struct {
	player
	victims []*owner
	theft   func() int // the number of the next theft
	loot    []*loot    // what still works, as far as the thief knows
}

// loot is a stolen session.
type loot struct {
	held
	theft int
	again bool // it was refused once, and is tried once more after the grace
	over  bool
}

func (t *thief) live() {
	for !t.stopped() {
		t.pause(0, 2*t.grace)
		l := &loot{theft: t.theft(), held: t.victims[t.rand.IntN(len(t.victims))].jar.steal(t.rand)}
		if l.refresh == "" || t.stopped() {
			continue
		}
		for range 1 + t.rand.IntN(4) {
			switch t.rand.IntN(4) {
			case 0:
				t.pause(0, t.grace/2)
			case 1:
				t.pause(t.grace/2, t.grace)
			default:
				t.pause(t.late, t.late*2)
			}
			t.use(l)
			if l.over || t.stopped() {
				break
			}
		}
		if !l.over {
			t.loot = append(t.loot, l)
		}
	}
}

// use presents the stolen token, and when it is refused tries the access token too.
func (t *thief) use(l *loot) {
	about := call{Owner: l.owner, Session: l.session, Theft: l.theft}
	got, _ := t.insist(refreshMessage(about, l.refresh), always)
	switch {
	case got.Status == http.StatusOK:
		l.access = got.Access
		if t.rand.IntN(3) > 0 { // else the same token serves once more
			l.refresh = got.Refresh
		}
	case got.Code == "refresh_token_invalid" && !l.again: // perhaps only since a step-up
		l.again = true
	default: // the checker knows which answers there may be
		l.over = true
		_, _ = t.link.send(t.rand, meMessage(about, l.access))
	}
}
