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

// How long the chaos lasts, and how wild it is: go test ./e2e -run TestChaos -v -timeout 0 -args
// -for 10m.
var (
	chaosFor     = flag.Duration("for", 4*time.Second, "how long the chaos lasts")
	chaosClients = flag.Int("clients", 16, "owners of a session")
	chaosTabs    = flag.Int("tabs", 3, "tabs that each owner has at most")
	chaosThieves = flag.Int("thieves", 8, "thieves")
	chaosKills   = flag.Duration("kills", 1500*time.Millisecond, "mean time between two kills of the server")
	chaosGrace   = flag.Duration("grace", time.Second, "the server's --refresh-grace")
	chaosAhead   = flag.Duration("ahead", 0, "how far ahead the clock of the second process is")
	chaosSeed    = flag.Uint64("seed", 1, "what the players choose")
	chaosAdmins  = flag.Int("admins", 2, "administrators")
	chaosDevices = flag.Int("devices", 2, "other devices, which log in with passwords of lately")
	chaosCheck   = flag.String("check", "", "file with a history: only check that")
	chaosHistory = flag.String("history", "", "file to write the history to")
)

// scenario is how long a chaos lasts, and who is in it.
type scenario struct {
	lasts, grace, ahead, kills time.Duration
	clients, thieves           int
}

// late is how long after a refresh the grace is over by every clock.
func (s scenario) late() time.Duration { return (s.grace + s.ahead) * 12 / 10 }

// otherTTL is how long the access tokens live that the second process gives.
const otherTTL = 10 * time.Second

// chaos is two processes of a server on one database, those who use them, and what is written down.
type chaos struct {
	scenario
	t       *testing.T
	servers []*server
	rec     *recorder
	link    *link
	rand    *rand.Rand
	owners  []*owner
	devices []*device
	admins  []*admin
	thieves []*thief
	stop    chan struct{}
}

// Owners with several tabs refresh their sessions over a network that loses and doubles what it
// carries, and change their passwords; thieves come now and then, administrators meddle, and the
// processes of the server are killed again and again. Afterwards the history is held
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
	c := newChaos(t, scenario{
		lasts: *chaosFor, grace: *chaosGrace, ahead: *chaosAhead, kills: *chaosKills,
		clients: *chaosClients, thieves: *chaosThieves,
	})
	c.play()
	c.settle()
	c.wantSomeOfAll(c.judge())
}

// One of the two processes has a clock that is ahead by two seconds: what one revokes the other
// refuses all the same. Without thieves, who would have to wait for much longer.
func TestChaos_clockAhead(t *testing.T) {
	c := newChaos(t, scenario{
		lasts: 2 * time.Second, grace: 8 * time.Second, ahead: 2 * time.Second, kills: time.Second, clients: 8,
	})
	c.play()
	c.calmDown()
	c.each(func(o *owner) { o.refresh() })
	r := c.judge()
	if r.Rotated == 0 || r.Deeds[askSetRoles] == 0 || r.Probes == 0 {
		t.Errorf("nothing happened: %+v", r)
	}
}

// play lets all loose until the chaos is over.
func (c *chaos) play() {
	var players sync.WaitGroup
	for _, o := range c.owners {
		players.Go(o.live)
	}
	for _, th := range c.thieves {
		players.Go(th.live)
	}
	for _, d := range c.devices {
		players.Go(d.live)
	}
	for _, a := range c.admins {
		players.Go(a.live)
	}
	c.killAgainAndAgain()
	close(c.stop)
	players.Wait()
}

// judge holds the history against the promises, and tells what it found.
func (c *chaos) judge() report {
	c.link.pending.Wait()
	h := c.rec.history()
	h.Grace = c.grace
	h.Processes = []process{{AccessTTL: 12 * time.Hour}, {AccessTTL: otherTTL, Ahead: c.ahead}}
	if *chaosHistory != "" {
		if err := h.write(*chaosHistory); err != nil {
			c.t.Fatal(err)
		}
	}
	r := check(h)
	c.t.Logf("%s of chaos, seed %d", c.lasts, *chaosSeed)
	tellOf(c.t, r)
	for _, s := range c.servers {
		s.kill()
	}
	c.servers[0].checkIntegrity()
	return r
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

func newChaos(t *testing.T, s scenario) *chaos {
	c := &chaos{
		scenario: s, t: t, rec: &recorder{began: time.Now(), answers: make(chan struct{})}, stop: make(chan struct{}),
		rand: rand.New(rand.NewPCG(*chaosSeed, 0)),
	}
	first := serve(t, "--refresh-grace="+s.grace.String(), "--log-level=warn", "--max-sessions=0",
		"--login-limit-account=0", "--login-limit-address=0", "--signup-limit=0", "--rename-limit=0",
		"--refresh-limit=0", "--request-limit-user=0", "--access-ttl=12h")
	second := first.replica
	if s.ahead > 0 {
		second = first.replicaAhead(s.ahead)
	}
	c.servers = []*server{first, second("--access-ttl=" + otherTTL.String())}
	c.link = newLink(c.rec, first.URL, c.servers[1].URL)
	for n := range s.clients {
		o := &owner{player: c.player(), name: fmt.Sprint("owner", n), tabs: *chaosTabs}
		first.signUp(o.name)
		o.user.Store(newUser(o.name, passwordOf(o.name)))
		c.owners = append(c.owners, o)
	}
	for range *chaosDevices {
		c.devices = append(c.devices, &device{c.player(), c.owners})
	}
	roles := &atomic.Int64{}
	for n := range *chaosAdmins {
		name := fmt.Sprint("admin", n)
		first.admin(name)
		c.admins = append(c.admins, &admin{
			player: c.player(), user: newUser(name, passwordOf(name)), owners: c.owners, roles: roles,
		})
	}
	var theft atomic.Int64
	for range s.thieves {
		c.thieves = append(c.thieves, &thief{
			player: c.player(), victims: c.owners, theft: func() int { return int(theft.Add(1)) },
		})
	}
	return c
}

func (c *chaos) player() player {
	return player{
		link: c.link, grace: c.grace, late: c.late(), stop: c.stop,
		rand: rand.New(rand.NewPCG(*chaosSeed, c.rand.Uint64())),
	}
}

// killAgainAndAgain runs until the chaos is over.
func (c *chaos) killAgainAndAgain() {
	end := time.Now().Add(c.lasts)
	progress := time.Now().Add(10 * time.Second)
	for {
		wait := c.kills/2 + time.Duration(c.rand.Int64N(int64(c.kills)))
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
		c.restart(c.rand.IntN(len(c.servers)))
		if time.Now().After(progress) {
			calls, outages := c.rec.counts()
			c.t.Logf("%s left: %d calls, %d kills", time.Until(end).Round(time.Second), calls, outages)
			progress = progress.Add(10 * time.Second)
		}
	}
}

// restart kills a process and starts it again.
func (c *chaos) restart(n int) {
	c.servers[n].kill()
	o := outage{Server: n, Dead: c.rec.now()}
	c.servers[n].start()
	o.Ready = c.rec.now()
	c.rec.outage(o)
}

// calmDown ends what the network does, and restarts all.
func (c *chaos) calmDown() {
	c.link.beHonest()
	c.link.pending.Wait()
	for n := range c.servers {
		c.restart(n)
	}
}

// settle lets what is open come to its end on a network that loses nothing: each owner still has
// their session, and where a thief is in it too they take turns outside the grace. What has ended
// stays so.
func (c *chaos) settle() {
	c.calmDown()
	c.oneOfEachDeed()
	for range 2 {
		c.each(func(o *owner) { o.refresh() })
		time.Sleep(c.late())
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
		time.Sleep(c.late())
	}
	c.each(func(o *owner) {
		o.refresh()
		for _, ended := range o.gone {
			o.tryEnded(ended)
		}
	})
}

// oneOfEachDeed does everything once where nothing is lost, so that no run is without it.
func (c *chaos) oneOfEachDeed() {
	c.each(func(o *owner) {
		if o.jar.look().refresh == "" {
			o.login()
		}
	})
	o, a := c.owners[0], c.admins[0]
	o.logout()
	o.login()
	o.stepUp()
	o.changePassword()
	u := o.user.Load()
	a.setRoles(u)
	a.disable(u)
	a.setPassword(u)
	a.delete(u)
	o.login()
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
		"kill": r.Outages, "exchange": r.Rotated, "replay within the grace": r.Replayed,
		"lost request": r.RequestsLost,
		"lost answer":  r.AnswersLost, "closed connection": r.HungUp, "copy": r.SentTwice,
		"call without an outcome":     r.Unanswered,
		"theft outside the grace":     r.Thefts.CaughtThief + r.Thefts.CaughtOwner + r.Thefts.Unseen,
		"access token that was tried": r.Probes, "step-up": r.StepUps,
		"change of password": r.Deeds[askChangePassword], "password set": r.Deeds[askSetPassword],
		"change of roles": r.Deeds[askSetRoles], "user disabled": r.Deeds[askDisable],
		"user deleted": r.Deeds[askDelete], "login with an old password": r.LoginsRefused,
	} {
		if n == 0 {
			c.t.Errorf("not one %s in the whole run", what)
		}
	}
	if r.Thefts.WithinGrace > 0 {
		c.t.Errorf("%d thefts go on, though they were settled", r.Thefts.WithinGrace)
	}
}
