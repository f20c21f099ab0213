package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// What a call asks for besides refreshing and looking: deeds, which change a user or all of their
// sessions, and what goes with them.
const (
	askStepUp         = "step up"
	askChangePassword = "change password" // one's own
	askLogoutAll      = "log out everywhere"

	askSetPassword = "set password" // these are an administrator's
	askSetRoles    = "set roles"
	askDisable     = "disable"
	askEnable      = "enable"
	askDelete      = "delete"
	askLook        = "look"

	askSignup = "sign up"
)

// What an answer says of a user's state.
const (
	saysEnabled  = "enabled"
	saysDisabled = "disabled"
)

func isDeed(ask string) bool {
	switch ask {
	case askChangePassword, askLogoutAll, askSetPassword, askSetRoles, askDisable, askEnable, askDelete:
		return true
	}
	return false
}

// stepUpMessage proves the password again.
func stepUpMessage(c call, access, password string) message {
	c.Ask, c.Token, c.Password = askStepUp, nameOf(access), nameOf(password)
	return message{
		call: c, method: "POST", path: "/v1/reauthenticate", access: access,
		body: object("password", password),
	}
}

// changePasswordMessage changes one's own password.
func changePasswordMessage(c call, access, id, current, next string) message {
	c.Ask, c.Token = askChangePassword, nameOf(access)
	c.Password, c.Sets = nameOf(current), nameOf(next)
	return message{
		call: c, method: "PATCH", path: "/v1/users/" + id, access: access,
		body: object("current_password", current, "password", next),
	}
}

func logoutAllMessage(c call, access string) message {
	c.Ask, c.Token = askLogoutAll, nameOf(access)
	return message{call: c, method: "POST", path: "/v1/logout/all", access: access}
}

func signupMessage(name, password string) message {
	return message{
		call: call{Ask: askSignup, Owner: name}, method: "POST", path: "/v1/users",
		body: object("username", name, "password", password),
	}
}

// user is somebody whom the server knows. Owners share theirs with administrators and other
// devices.
type user struct {
	name string

	mu        sync.Mutex
	id        string   // guarded by mu; "" before the first login
	taken     string   // guarded by mu: the password that was last taken, "" if none was
	passwords []string // guarded by mu: those that may be the current one, the newest last
	old       []string // guarded by mu: those that no longer are
	deleted   bool     // guarded by mu: an administrator has set about it
}

func newUser(name, password string) *user { return &user{name: name, passwords: []string{password}} }

// known returns the ID, and the password that is most likely the current one.
func (u *user) known() (id, password string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.taken != "" {
		return u.id, u.taken
	}
	return u.id, u.passwords[len(u.passwords)-1]
}

// candidates returns the passwords that may be the current one, the likeliest first.
func (u *user) candidates() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	list := slices.Clone(u.passwords)
	slices.Reverse(list)
	return list
}

// mayHave notes a password that somebody is about to set.
func (u *user) mayHave(password string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.passwords = append(u.passwords, password)
	if len(u.passwords) > maxCandidates { // what came long after the one that was taken came to nothing
		u.passwords = slices.Delete(u.passwords, 1, 2)
	}
}

// maxCandidates is how many passwords an owner has in mind.
const maxCandidates = 6

// has notes that a password was taken: those before it are old.
func (u *user) has(password string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if at := slices.Index(u.passwords, password); at >= 0 {
		u.taken = password
		u.old = append(u.old, u.passwords[:at]...)
		u.passwords = u.passwords[at:]
	}
}

// pickOld returns a password that is not the current one any more, or "".
func (u *user) pickOld(r *rand.Rand) string {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.old) == 0 {
		return ""
	}
	return u.old[r.IntN(len(u.old))]
}

func (u *user) hasID(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.id = id
}

func (u *user) isToGo() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.deleted = true
}

func (u *user) mayBeGone() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.deleted
}

// newPassword returns one that nobody has had.
func newPassword(r *rand.Rand) string {
	return fmt.Sprintf("quince-%x-harbour-%x", r.Uint64(), r.Uint64())
}

// login tries the passwords that may be the right ones, and at times one that certainly is not.
// Whoever has been deleted begins again as somebody else.
func (o *owner) login() {
	u := o.user.Load()
	if old := u.pickOld(o.rand); old != "" && o.rand.IntN(4) == 0 {
		o.loginWith(u, old)
	}
	for _, password := range u.candidates() {
		if o.loginWith(u, password) {
			return
		}
	}
	if u.mayBeGone() {
		o.becomeSomebodyElse()
	}
}

func (o *owner) loginWith(u *user, password string) bool {
	before := o.jar.look()
	got, _ := o.insist(loginMessage(call{}, u.name, password), always)
	if got.Status != http.StatusOK {
		return false
	}
	u.hasID(saidBy(got.Access).Subject)
	u.has(password)
	o.jar.keep(before, got)
	return true
}

func (o *owner) becomeSomebodyElse() {
	o.lives++
	u := newUser(fmt.Sprintf("%s-%d", o.name, o.lives), newPassword(o.rand))
	_, password := u.known()
	o.insist(signupMessage(u.name, password), always) // 409 says that a copy of the message was first
	o.user.Store(u)
}

// beside does something at the same time as the caller, after a while: with a random source of its
// own.
func (o *owner) beside(all *sync.WaitGroup, most time.Duration, f func(p player)) {
	p := o.player
	p.rand = rand.New(rand.NewPCG(o.rand.Uint64(), o.rand.Uint64()))
	all.Go(func() {
		time.Sleep(time.Duration(p.rand.Int64N(int64(most))))
		f(p)
	})
}

// hashing is about how long a password takes: a change of it hashes two.
const hashing = 120 * time.Millisecond

// refreshBeside is a tab that refreshes while something else is under way. What it is told does not
// log its owner out: there is a newer token soon.
func (o *owner) refreshBeside(all *sync.WaitGroup, h held) {
	if h.refresh == "" || o.rand.IntN(2) == 0 {
		return
	}
	o.beside(all, hashing, func(p player) {
		got, _ := p.insist(refreshMessage(o.about(h), h.refresh), always)
		if got.Status == http.StatusOK {
			o.jar.keep(h, got)
		}
	})
}

// stepUp proves the password again, beside a tab that refreshes.
func (o *owner) stepUp() {
	h := o.jar.look()
	if h.access == "" {
		return
	}
	_, password := o.user.Load().known()
	var all sync.WaitGroup
	o.refreshBeside(&all, h)
	got, _ := o.insist(stepUpMessage(o.about(h), h.access, password), always)
	all.Wait()
	if got.Status == http.StatusOK {
		o.jar.renew(h, got)
	}
}

// changePassword sets a new password, beside whatever else may be under way: a second change with
// the same current password, a login with it, a refresh.
func (o *owner) changePassword() {
	h, u := o.jar.look(), o.user.Load()
	if h.access == "" || h.owner != u.name {
		return
	}
	id, current := u.known()
	var all sync.WaitGroup
	o.refreshBeside(&all, h)
	if o.rand.IntN(2) == 0 {
		o.beside(&all, 2*hashing, func(p player) { p.useAsDevice(u, current, 1) })
	}
	if o.rand.IntN(2) == 0 {
		o.beside(&all, hashing/4, func(p player) { o.change(p, u, h, id, current) })
	}
	o.change(o.player, u, h, id, current)
	all.Wait()
}

func (o *owner) change(p player, u *user, h held, id, current string) {
	next := newPassword(p.rand)
	u.mayHave(next)
	got, _ := p.insist(changePasswordMessage(o.about(h), h.access, id, current, next), always)
	if got.Status == http.StatusOK {
		u.has(next)
		o.jar.renew(h, got)
	}
}

// logoutAll ends all of the owner's sessions, and tries what is left of this one.
func (o *owner) logoutAll() {
	h := o.jar.look()
	if h.access == "" {
		return
	}
	if _, done := o.insist(logoutAllMessage(o.about(h), h.access), always); done {
		o.jar.drop(h)
		o.tryEnded(h)
		o.remember(h)
	}
}

// useAsDevice logs in from another device, perhaps with a password that has just become an old one,
// and uses that session as long as it lasts, though not for more than some rounds.
func (p player) useAsDevice(u *user, password string, rounds int) {
	got, _ := p.insist(loginMessage(call{}, u.name, password), always)
	for ; got.Status == http.StatusOK && rounds > 0 && !p.stopped(); rounds-- {
		about, access := call{Owner: u.name, Session: got.Session}, got.Access
		p.pause(time.Millisecond, p.grace/4)
		got, _ = p.insist(refreshMessage(about, got.Refresh), always)
		_, _ = p.link.send(p.rand, meMessage(about, access))
	}
}

// device is another machine on which owners log in.
type device struct {
	player
	owners []*owner
}

func (d *device) live() {
	for !d.stopped() {
		u := d.owners[d.rand.IntN(len(d.owners))].user.Load()
		_, password := u.known()
		d.pause(0, d.grace/4) // the password may be changed now
		d.useAsDevice(u, password, 1+d.rand.IntN(6))
		d.pause(d.grace/8, d.grace/2)
	}
}

// admin is an administrator, who changes other users and looks how they are.
type admin struct {
	player
	user   *user
	now    held
	owners []*owner
	roles  *atomic.Int64 // how many roles have been thought of
}

func (a *admin) live() {
	for !a.stopped() {
		a.meddle()
		a.pause(100*time.Millisecond, 400*time.Millisecond)
	}
}

// meddle does something to somebody.
func (a *admin) meddle() {
	u := a.owners[a.rand.IntN(len(a.owners))].user.Load()
	if id, _ := u.known(); id == "" {
		return
	}
	switch n := a.rand.IntN(20); {
	case n < 8:
		a.setRoles(u)
	case n < 11:
		a.disable(u)
	case n < 13:
		a.setPassword(u)
	case n < 14:
		a.delete(u)
	case n < 15:
		a.stepUp()
	default:
		a.do(u, askLook, "GET", "", "", "")
	}
}

// do carries a deed out. At times the administrator does not insist on an answer, and looks instead
// what has become of it.
func (a *admin) do(u *user, ask, method, path, sets, body string) {
	id, _ := u.known()
	message := func() message {
		return message{
			call:   call{Ask: ask, Owner: u.name, Token: nameOf(a.now.access), Sets: sets},
			method: method, path: "/v1/users/" + id + path, access: a.now.access, body: body,
		}
	}
	for {
		a.logInFirst()
		got, err := a.link.send(a.rand, message())
		switch {
		case err == nil && got.Status == http.StatusUnauthorized:
			a.now = held{} // revoked, expired, or not fresh enough
		case err == nil && got.Status != http.StatusServiceUnavailable:
			return
		case ask != askLook && ask != askEnable && a.rand.IntN(2) == 0:
			time.Sleep(time.Duration(a.rand.IntN(50)) * time.Millisecond)
			a.do(u, askLook, "GET", "", "", "")
			return
		default:
			time.Sleep(time.Duration(5+a.rand.IntN(30)) * time.Millisecond)
		}
	}
}

func (a *admin) logInFirst() {
	for a.now.access == "" {
		_, password := a.user.known()
		got, _ := a.insist(loginMessage(call{}, a.user.name, password), always)
		a.now = held{owner: a.user.name, session: got.Session, refresh: got.Refresh, access: got.Access}
	}
}

// stepUp proves the administrator's own password again, in place of another login.
func (a *admin) stepUp() {
	a.logInFirst()
	_, password := a.user.known()
	about := call{Owner: a.user.name, Session: a.now.session}
	got, _ := a.insist(stepUpMessage(about, a.now.access, password), always)
	a.now = held{owner: a.user.name, session: got.Session, refresh: got.Refresh, access: got.Access}
}

// setRoles gives somebody a role that nobody has had: so a token tells which change it knows of.
func (a *admin) setRoles(u *user) {
	role := fmt.Sprint("role-", a.roles.Add(1))
	a.do(u, askSetRoles, "PUT", "/roles", role+" user", fmt.Sprintf(`{"roles":["user",%q]}`, role))
}

func (a *admin) setPassword(u *user) {
	next := newPassword(a.rand)
	u.mayHave(next)
	a.do(u, askSetPassword, "PATCH", "", nameOf(next), object("password", next))
}

// disable keeps somebody out for a while.
func (a *admin) disable(u *user) {
	a.do(u, askDisable, "POST", "/disable", "", "")
	a.pause(a.grace/20, a.grace/2)
	a.do(u, askEnable, "POST", "/enable", "", "")
}

func (a *admin) delete(u *user) {
	u.isToGo()
	a.do(u, askDelete, "DELETE", "", "", "")
}
