package e2e

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The promises about users, and about what ends all of their sessions. One rule below goes with
// each.
const (
	oldPasswordIsOut promise = "after a change of password nothing begins, and nothing is proved, with an old one"
	oneChangeWins    promise = "of the changes that one current password allows, one is made"
	changeEndsOthers promise = "a new password ends every session but the one that set it"
	logoutAllEnds    promise = "logging out everywhere ends every session"
	disabledIsOut    promise = "who is disabled has no session, and gets none until they are enabled"
	deletedIsOut     promise = "who is deleted has no session, and gets none"
	deedIsWhole      promise = "a deed whose answer was lost happened wholly or not at all"
	rolesAtOnce      promise = "a change of roles refuses every access token of before"
	tokenSaysRoles   promise = "a token says the roles that hold"
	passwordHolds    promise = "the current password of an enabled user is taken"
	stepUpIsNobodys  promise = "nobody else gets the refresh token that a step-up brings"
	accessHasItsTime promise = "an access token lives as long as the process says that gave it"
)

const (
	leeway      = 30 * time.Second // of the server's verifier
	elsewhere   = time.Second      // until other processes know what one has revoked
	wholeSecond = time.Second      // tokens expire at one
)

// rules are what every user's calls are held against.
var rules = []func(*account){
	noOldPassword, oneChangeByOnePassword, nothingAfterTheEnd, noLoginWhileOut, noTokenOfBefore,
	noTokenOfOldRoles, passwordIsTaken, nobodyElsesStepUp, noTokenBeyondItsTime,
}

// account is what is known of one user.
type account struct {
	h        history
	calls    []call // in the order of sending
	sessions map[string][]call
	issued   map[string]call // access token → the call that brought it
	deeds    []deed          // those that were done, or may have been
	notDone  int             // deeds without an answer that were not
	tried    map[string]bool // what somebody wanted to set, also where nothing came of it
	breach   func(promise, call, string, ...any)
}

// deed is what may have changed the user, between two moments.
type deed struct {
	call
	by   moment // the last at which it can have been done
	done bool   // certainly; otherwise perhaps
}

func newAccount(h history, calls []call) *account {
	a := &account{
		h: h, sessions: map[string][]call{}, issued: map[string]call{}, tried: map[string]bool{},
	}
	for _, c := range calls {
		a.tried[c.Sets] = true
		if !c.arrived() {
			continue
		}
		a.calls = append(a.calls, c)
		if c.Session != "" {
			a.sessions[c.Session] = append(a.sessions[c.Session], c)
		}
		if c.GivenAccess != "" {
			a.issued[c.GivenAccess] = c
		}
		if isDeed(c.Ask) && (!answered(c) || c.succeeded()) {
			a.deeds = append(a.deeds, deed{c, h.handledBy(c), answered(c)})
		}
	}
	a.clearUp()
	return a
}

// clearUp finds out what became of deeds without an answer. Those that were not done are dropped.
func (a *account) clearUp() {
	deeds := slices.Clone(a.deeds)
	a.deeds = slices.DeleteFunc(a.deeds, func(d deed) bool {
		shows := func(c call) bool { return disproves(c, d, deeds) }
		return !d.done && slices.ContainsFunc(a.calls, shows)
	})
	a.notDone = len(deeds) - len(a.deeds)
	for n, d := range a.deeds {
		copied := slices.ContainsFunc(a.deeds, func(other deed) bool {
			return other.call != d.call && other.sameAs(d)
		})
		if !d.done && !copied && slices.ContainsFunc(a.calls, func(c call) bool { return proves(c, d) }) {
			a.deeds[n].done = true
		}
	}
}

// sameAs says that what shows one of the two deeds to be done shows as well the other.
func (d deed) sameAs(other deed) bool { return d.Ask == other.Ask && d.Sets == other.Sets }

// proves says that an answer shows a deed to be done, if no other deed is the same.
func proves(c call, d deed) bool {
	switch d.Ask {
	case askChangePassword, askSetPassword:
		return c.succeeded() && c.Password == d.Sets
	case askSetRoles:
		return c.GivenAccess != "" && c.Says == d.Sets
	case askDisable:
		return c.Ask == askLook && c.Says == saysDisabled
	case askDelete:
		return c.Ask == askLook && c.Status == http.StatusNotFound
	}
	return false
}

// disproves says that an answer shows a deed not to be done, though there was time for it.
func disproves(c call, d deed, deeds []deed) bool {
	if c.Sent < d.by || !c.succeeded() {
		return false
	}
	switch d.Ask {
	case askChangePassword, askSetPassword:
		return c.Password != "" && c.Password != d.Sets && setBy(deeds, c.Password) < d.Sent
	case askSetRoles:
		return c.GivenAccess != "" && c.Says != d.Sets && setBy(deeds, c.Says) < d.Sent
	case askDisable:
		shows := c.Ask == askLogin || c.Ask == askLook && c.Says == saysEnabled
		return shows && !mayBeEnabled(deeds, d.Sent, c.Received)
	case askDelete:
		return c.Ask == askLogin || c.Ask == askLook
	}
	return false
}

// setBy is the last moment at which a password or roles can have been set. Nobody sets the same
// twice, but for copies of a request. What nobody has set was there from the beginning.
func setBy(deeds []deed, value string) moment {
	by := moment(-1)
	for _, d := range deeds {
		if d.Sets == value {
			by = max(by, d.by)
		}
	}
	return by
}

// mayBeEnabled says that the user may have been enabled between two moments.
func mayBeEnabled(deeds []deed, after, before moment) bool {
	return slices.ContainsFunc(deeds, func(d deed) bool {
		return d.Ask == askEnable && d.by > after && d.Sent < before
	})
}

func (d deed) setsPassword() bool { return d.Ask == askChangePassword || d.Ask == askSetPassword }

// replaces says that a deed was done, and set something else in the place of a password or of
// roles.
func (a *account) replaces(d deed, value string) bool {
	return d.done && d.Sets != "" && d.Sets != value && setBy(a.deeds, value) < d.Sent
}

// ends says that a deed ends the user's sessions.
func (d deed) ends() bool { return d.setsPassword() || d.cuts() && d.Ask != askSetRoles }

// cuts says that a deed refuses every access token of before.
func (d deed) cuts() bool {
	switch d.Ask {
	case askSetRoles, askDisable, askDelete, askLogoutAll:
		return true
	}
	return false
}

// mayEnd says that a deed may have ended a session.
func (d deed) mayEnd(session []call) bool {
	began := session[0]
	return d.ends() && d.by > began.Sent && !d.keeps(began.Session)
}

// keeps says that a deed lets a session live, since it was done there.
func (d deed) keeps(session string) bool { return d.Ask == askChangePassword && d.Session == session }

// mustEnd says that a deed has certainly ended a session, or kept it from beginning.
func (a *account) mustEnd(d deed, session []call) bool {
	began := session[0]
	if !d.done || !d.mayEnd(session) || began.Ask != askLogin {
		return false
	}
	switch {
	case began.Received < d.Sent, d.Ask == askDelete:
		return true
	case d.setsPassword():
		return a.replaces(d, began.Password)
	case d.Ask == askDisable:
		return !mayBeEnabled(a.deeds, d.Sent, began.Received)
	}
	return false
}

// knownBy is when a process knows of a deed, so that it refuses access tokens.
func (d deed) knownBy(server int) moment {
	if answered(d.call) && d.Server == server {
		return d.by
	}
	return d.by + elsewhere
}

// usesAccess says that the list of what is revoked decides about a call, and not the store.
func usesAccess(c call) bool { return c.Ask == askMe || c.Ask == askLogout || c.Ask == askLogoutAll }

// noOldPassword: after a change of password nothing begins, and nothing is proved, with an old one.
func noOldPassword(a *account) {
	for _, c := range a.calls {
		if c.Password == "" || !c.succeeded() {
			continue
		}
		for _, d := range a.deeds {
			if d.setsPassword() && a.replaces(d, c.Password) && d.by < c.Sent {
				a.breach(oldPasswordIsOut, c, "it was replaced by %s", d.by)
				break
			}
		}
	}
}

// oneChangeByOnePassword: of the changes that one current password allows, one is made.
func oneChangeByOnePassword(a *account) {
	made := map[string]moment{}
	for _, d := range a.deeds {
		if d.Ask != askChangePassword || !d.done {
			continue
		}
		if by, twice := made[d.Password]; twice {
			a.breach(oneChangeWins, d.call, "another was made by %s", by)
		}
		made[d.Password] = d.by
	}
}

// nothingAfterTheEnd: a deed that ends sessions leaves nothing of them, neither refresh nor access
// tokens, and a deed without an answer did so too if it was done.
func nothingAfterTheEnd(a *account) {
	for _, session := range a.sessions {
		for _, d := range a.deeds {
			if !a.mustEnd(d, session) {
				continue
			}
			for _, c := range session[1:] {
				by := d.by
				if usesAccess(c) {
					by = d.knownBy(c.Server)
				}
				if by < c.Sent && (c.succeeded() || c.Code == "refresh_token_reused") {
					a.breach(d.promise(), c, "%s by %s", d.Ask, d.by)
				}
			}
		}
	}
}

// promise is what a deed promises of the sessions that it ends.
func (d deed) promise() promise {
	switch {
	case !answered(d.call):
		return deedIsWhole
	case d.setsPassword():
		return changeEndsOthers
	case d.Ask == askDisable:
		return disabledIsOut
	case d.Ask == askDelete:
		return deletedIsOut
	}
	return logoutAllEnds
}

// noLoginWhileOut: who is disabled gets no session until they are enabled, and who is deleted none.
func noLoginWhileOut(a *account) {
	for _, c := range a.calls {
		for _, d := range a.deeds {
			if c.Ask != askLogin || !c.succeeded() || !d.done || c.Sent < d.by {
				continue
			}
			if d.Ask == askDelete || d.Ask == askDisable && !mayBeEnabled(a.deeds, d.Sent, c.Received) {
				a.breach(d.promise(), c, "%s by %s", d.Ask, d.by)
			}
		}
	}
}

// noTokenOfBefore: a change of roles, and what ends all sessions, refuses every access token that
// was given before.
func noTokenOfBefore(a *account) {
	for _, c := range a.calls {
		given, known := a.issued[c.Token]
		for _, d := range a.deeds {
			if known && usesAccess(c) && c.succeeded() && d.done && d.Ask == askSetRoles &&
				given.Received < d.Sent && d.knownBy(c.Server) < c.Sent {
				a.breach(rolesAtOnce, c, "it was given by %s, and they changed by %s", given.Received, d.by)
				break
			}
		}
	}
}

// noTokenOfOldRoles: a token that says other roles than hold is neither given nor taken.
func noTokenOfOldRoles(a *account) {
	for _, c := range a.calls {
		given, known := a.issued[c.Token]
		for _, d := range a.deeds {
			if d.Ask != askSetRoles {
				continue
			}
			if c.GivenAccess != "" && a.replaces(d, c.Says) && d.by < c.Sent {
				a.breach(tokenSaysRoles, c, "it says %q, and since %s it is %q", c.Says, d.by, d.Sets)
				break
			}
			taken := known && usesAccess(c) && c.succeeded()
			if taken && a.replaces(d, given.Says) && d.knownBy(c.Server) < c.Sent {
				a.breach(rolesAtOnce, c, "it says %q, and since %s it is %q", given.Says, d.by, d.Sets)
				break
			}
		}
	}
}

// passwordIsTaken: the current password of an enabled user is taken. So nothing of a change that
// was acknowledged is lost, and nothing is left of one that was not made.
func passwordIsTaken(a *account) {
	for _, c := range a.calls {
		refused := c.Code == "invalid_credentials" ||
			c.Ask == askChangePassword && c.Code == "validation_failed"
		if refused && a.isCurrent(c) && a.isIn(c) {
			a.breach(passwordHolds, c, "")
		}
	}
}

// isCurrent says that the password of a call was certainly the current one, and that nothing was
// under way beside it.
func (a *account) isCurrent(c call) bool {
	since := moment(-1) // for one that was there from the beginning
	certain := !a.tried[c.Password]
	for _, d := range a.deeds {
		if d.Sets == c.Password && d.done && d.by < c.Sent {
			since, certain = max(since, d.Sent), true
		}
	}
	if !certain {
		return false
	}
	return !slices.ContainsFunc(a.deeds, func(d deed) bool {
		overlaps := d.by > c.Sent && d.Sent < c.Received
		replaced := d.setsPassword() && d.Sets != c.Password && d.by > since && d.Sent < c.Received
		return overlaps || replaced
	})
}

// isIn says that the user was certainly neither disabled nor deleted.
func (a *account) isIn(c call) bool {
	return !slices.ContainsFunc(a.deeds, func(d deed) bool {
		if d.Sent > c.Received {
			return false
		}
		enabled := slices.ContainsFunc(a.deeds, func(e deed) bool {
			return e.Ask == askEnable && e.done && e.Sent > d.by && e.by < c.Sent
		})
		return d.Ask == askDelete || d.Ask == askDisable && !enabled
	})
}

// nobodyElsesStepUp: nobody else gets the refresh token that a step-up brings.
func nobodyElsesStepUp(a *account) {
	stepped := map[string]call{}
	for _, c := range a.calls {
		if c.Ask == askStepUp && c.Given != "" {
			stepped[c.Given] = c
		}
	}
	for _, c := range a.calls {
		if by, found := stepped[c.Given]; found && c.Given != "" && by != c {
			a.breach(stepUpIsNobodys, c, "the step-up was answered at %s", by.Received)
		}
	}
}

// noTokenBeyondItsTime: an access token lives as long as the process says that gave it.
func noTokenBeyondItsTime(a *account) {
	for _, c := range a.calls {
		given, known := a.issued[c.Token]
		if !known || given.Server >= len(a.h.Processes) {
			continue
		}
		least, most := a.h.lifeOf(given, c.Server)
		if usesAccess(c) && c.succeeded() && c.Sent-given.Received > most {
			a.breach(accessHasItsTime, c, "it was given by %s", given.Received)
		}
		if c.Code == "token_expired" && c.Received-given.Sent < least {
			a.breach(accessHasItsTime, c, "it was given after %s", given.Sent)
		}
	}
}

// lifeOf is for how long a process takes an access token that a call has brought, at least and at
// most.
func (h history) lifeOf(given call, server int) (least, most time.Duration) {
	by := h.Processes[given.Server]
	ttl := by.AccessTTL + leeway + by.Ahead - h.Processes[server].Ahead
	return ttl - wholeSecond, ttl + wholeSecond
}

// mayBeCut says that a deed may have refused an access token: what a call of this user presents.
func (a *account) mayBeCut(c call) bool {
	given := a.issued[c.Token] // the zero value is as old as can be
	return slices.ContainsFunc(a.deeds, func(d deed) bool {
		return d.cuts() && d.by > given.Sent && d.Sent < a.h.handledBy(c)
	})
}

// judgeUsers holds what is known of each user against the rules.
func judgeUsers(h history, r *report) map[string]*account {
	calls := map[string][]call{}
	for _, c := range h.Calls {
		calls[c.Owner] = append(calls[c.Owner], c)
	}
	accounts := map[string]*account{}
	for name, list := range calls {
		slices.SortStableFunc(list, func(a, b call) int { return cmp.Compare(a.Sent, b.Sent) })
		a := newAccount(h, list)
		a.breach = func(p promise, c call, format string, args ...any) {
			r.Broken = append(r.Broken, breach{p, c, fmt.Sprintf(format, args...)})
		}
		for _, rule := range rules {
			rule(a)
		}
		r.DeedsNotDone += a.notDone
		for _, d := range a.deeds {
			switch {
			case answered(d.call):
			case d.done:
				r.DeedsDone++
			default:
				r.DeedsUnknown++
			}
		}
		accounts[name] = a
	}
	return accounts
}

// ofAccess are the refusals of an access token, ofAdmin those of an administrator's deed.
var (
	ofAccess = []string{"401 token_revoked", "401 token_expired"}
	ofAdmin  = append([]string{"401 fresh_token_required", "404 not_found"}, ofAccess...)
)

// answers are the answers that each route has in the table besides 503.
var answers = map[string][]string{
	askLogin:          {"200", "401 invalid_credentials"},
	askRefresh:        {"200", "401 refresh_token_invalid", "401 refresh_token_reused"},
	askLogout:         slices.Concat([]string{"204"}, ofAccess),
	askMe:             slices.Concat([]string{"200"}, ofAccess),
	askStepUp:         slices.Concat([]string{"200", "401 invalid_credentials"}, ofAccess),
	askChangePassword: slices.Concat([]string{"200", "404 not_found", "422 validation_failed"}, ofAccess),
	askLogoutAll:      slices.Concat([]string{"204"}, ofAccess),
	askSetPassword:    slices.Concat([]string{"200"}, ofAdmin),
	askSetRoles:       slices.Concat([]string{"200"}, ofAdmin),
	askDisable:        slices.Concat([]string{"200"}, ofAdmin),
	askEnable:         slices.Concat([]string{"200"}, ofAdmin),
	askDelete:         slices.Concat([]string{"204"}, ofAdmin),
	askLook:           slices.Concat([]string{"200", "404 not_found"}, ofAccess),
	askSignup:         {"201", "409 username_taken"},
}

// unforeseen says that an answer is none of those that its route has in the table.
func unforeseen(c call) bool {
	if !answered(c) {
		return false
	}
	return !slices.Contains(answers[c.Ask], strings.TrimSpace(fmt.Sprint(c.Status, " ", c.Code)))
}

// succeeded says that what a call asked for was done.
func (c call) succeeded() bool { return c.Status/100 == 2 }
