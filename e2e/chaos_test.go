package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// How long the chaos lasts, and how wild it is: go test ./e2e -run TestChaos -v -timeout 0 -args -for 10m.
var (
	chaosFor     = flag.Duration("for", 5*time.Second, "how long the chaos lasts")
	chaosClients = flag.Int("clients", 16, "owners of a session")
	chaosTabs    = flag.Int("tabs", 3, "tabs that each owner has at most")
	chaosThieves = flag.Int("thieves", 8, "thieves")
	chaosKills   = flag.Duration("kills", 1500*time.Millisecond, "mean time between two kills of the server")
	chaosGrace   = flag.Duration("grace", time.Second, "the server's --refresh-grace")
	chaosSeed    = flag.Uint64("seed", 1, "what the players choose")
	chaosCheck   = flag.String("check", "", "file with a history: only check that")
	chaosHistory = flag.String("history", "", "file to write the history to")
)

// chaos is a server, those who use it, and what is written down of them.
type chaos struct {
	t       *testing.T
	server  *server
	rec     *recorder
	link    *link
	rand    *rand.Rand
	owners  []*owner
	thieves []*thief
	stop    chan struct{}
}

// Owners with several tabs refresh their sessions over a network that loses and doubles what it carries,
// thieves come now and then, and the server is killed again and again. Afterwards the history is held
// against the promises of docs/sessions.md. Not parallel: others measure times.
func TestChaos(t *testing.T) {
	if *chaosCheck != "" {
		h, err := readHistory(*chaosCheck)
		if err != nil {
			t.Fatal(err)
		}
		tellOf(t, check(h))
		return
	}
	c := newChaos(t)
	var players sync.WaitGroup
	for _, o := range c.owners {
		players.Go(o.live)
	}
	for _, th := range c.thieves {
		players.Go(th.live)
	}
	c.killAgainAndAgain()
	close(c.stop)
	players.Wait()
	c.settle()
	c.link.pending.Wait()

	h := c.rec.history()
	h.Grace = *chaosGrace
	if *chaosHistory != "" {
		if err := h.write(*chaosHistory); err != nil {
			t.Fatal(err)
		}
	}
	r := check(h)
	t.Logf("%s of chaos, seed %d", *chaosFor, *chaosSeed)
	tellOf(t, r)
	c.wantSomeOfAll(r)
	c.server.kill()
	c.server.checkIntegrity()
}

// tellOf prints the report, and fails the test for what is in it.
func tellOf(t *testing.T, r report) {
	t.Logf("the report:\n%s", r)
	for n, b := range r.Broken {
		if n == 20 {
			t.Errorf("and %d more", len(r.Broken)-n)
			break
		}
		t.Error(b)
	}
}

func newChaos(t *testing.T) *chaos {
	c := &chaos{
		t: t, rec: &recorder{began: time.Now(), answers: make(chan struct{})}, stop: make(chan struct{}), rand: rand.New(rand.NewPCG(*chaosSeed, 0)),
		server: serve(t, "--refresh-grace="+chaosGrace.String(), "--login-limit-account=0", "--login-limit-address=0",
			// Nothing expires on the way, and no session is ended for the next one.
			"--access-ttl=12h", "--max-sessions=0", "--log-level=warn"),
	}
	c.link = newLink(c.server.URL, c.rec)
	for n := range *chaosClients {
		o := &owner{player: c.player(), name: fmt.Sprint("owner", n), tabs: *chaosTabs}
		c.server.signUp(o.name)
		c.owners = append(c.owners, o)
	}
	var theft atomic.Int64
	for range *chaosThieves {
		c.thieves = append(c.thieves, &thief{
			player: c.player(), victims: c.owners, theft: func() int { return int(theft.Add(1)) },
		})
	}
	return c
}

func (c *chaos) player() player {
	return player{link: c.link, grace: *chaosGrace, stop: c.stop, rand: rand.New(rand.NewPCG(*chaosSeed, c.rand.Uint64()))}
}

// killAgainAndAgain runs until the chaos is over.
func (c *chaos) killAgainAndAgain() {
	end := time.Now().Add(*chaosFor)
	progress := time.Now().Add(10 * time.Second)
	for {
		wait := *chaosKills/2 + time.Duration(c.rand.Int64N(int64(*chaosKills)))
		if time.Now().Add(wait).After(end) {
			time.Sleep(time.Until(end))
			return
		}
		time.Sleep(wait)
		if c.rand.IntN(4) > 0 { // at the worst time: right after an answer
			select {
			case <-c.rec.answers:
			case <-time.After(time.Second):
			}
		}
		c.restart()
		if time.Now().After(progress) {
			calls, outages := c.rec.counts()
			c.t.Logf("%s left: %d calls, %d kills", time.Until(end).Round(time.Second), calls, outages)
			progress = progress.Add(10 * time.Second)
		}
	}
}

func (c *chaos) restart() {
	c.server.kill()
	o := outage{Dead: c.rec.now()}
	c.server.start()
	o.Ready = c.rec.now()
	c.rec.outage(o)
}

// settle lets what is open come to its end on a network that loses nothing: each owner still has their
// session, and where a thief is in it too they take turns outside the grace. What has ended stays so.
func (c *chaos) settle() {
	c.link.beHonest()
	c.link.pending.Wait()
	c.restart()
	for range 2 {
		c.each(func(o *owner) { o.refresh() })
		time.Sleep(*chaosGrace * 12 / 10)
		var turn sync.WaitGroup
		for _, t := range c.thieves {
			turn.Go(func() {
				for _, l := range t.loot {
					if !l.over {
						t.use(l)
					}
				}
			})
		}
		turn.Wait()
		time.Sleep(*chaosGrace * 12 / 10)
	}
	c.each(func(o *owner) {
		o.refresh()
		for _, ended := range o.gone {
			o.tryEnded(ended)
		}
	})
}

func (c *chaos) each(f func(*owner)) {
	var all sync.WaitGroup
	for _, o := range c.owners {
		all.Go(func() { f(o) })
	}
	all.Wait()
}

// wantSomeOfAll fails a run in which something did not happen: it has shown nothing about that.
func (c *chaos) wantSomeOfAll(r report) {
	for what, n := range map[string]int{
		"kill": r.Outages, "exchange": r.Rotated, "replay within the grace": r.Replayed, "lost request": r.RequestsLost,
		"lost answer": r.AnswersLost, "closed connection": r.HungUp, "copy": r.SentTwice, "call without an outcome": r.Unanswered,
		"theft outside the grace":     r.Thefts.CaughtThief + r.Thefts.CaughtOwner + r.Thefts.Unseen,
		"access token that was tried": r.Probes,
	} {
		if n == 0 {
			c.t.Errorf("not one %s in the whole run", what)
		}
	}
	if r.Thefts.WithinGrace > 0 {
		c.t.Errorf("%d thefts go on, though they were settled", r.Thefts.WithinGrace)
	}
}
