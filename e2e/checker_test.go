package e2e

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"
)

// The checker knows the calls and their times, not the server. A call takes effect at a moment
// between its Sent and its Received that nobody knows, so each rule speaks only of what is so at
// every such moment: what is reported did happen. What may have been either way is counted apart,
// and is never an excuse for the next answer unless that needs it.

// promise is one of those that docs/sessions.md makes.
type promise string

const (
	oneSuccessor  promise = "a token has one successor"
	graceIsOver   promise = "a token is refused once the grace is over, or its successor was used, and its session ends"
	graceHolds    promise = "a token is answered while it is current or within the grace"
	nothingLost   promise = "what was acknowledged is there: a token is refused only when its session has ended"
	endIsForGood  promise = "a session that has ended stays so, for refresh and access tokens"
	accessHolds   promise = "the access token of a living session is taken"
	alwaysAnswers promise = "the server answers what is in its table"
)

// breach is a broken promise.
type breach struct {
	Promise promise
	Call    call // that shows it
	Detail  string
}

func (b breach) String() string {
	who := "its owner"
	if b.Call.Theft > 0 {
		who = fmt.Sprint("thief ", b.Call.Theft)
	}
	return fmt.Sprintf("not kept: %s.\n\t%s of %s's session %s by %s, %s to %s: %d %s; %s",
		b.Promise, b.Call.Ask, b.Call.Owner, b.Call.Session, who, b.Call.Sent, b.Call.Received,
		b.Call.Status, b.Call.Code, b.Detail)
}

const (
	// clockSlack is by how much the server's clock and the test's may differ over one grace.
	clockSlack = 20 * time.Millisecond
	// afterHangUp is how long after a connection was closed the server may still be at its request.
	afterHangUp = 300 * time.Millisecond
	never       = moment(math.MaxInt64)
)

// life is what is known of one session.
type life struct {
	h       history
	account *account       // whose session it is
	calls   []call         // about it, in the order of sending
	place   map[string]int // token → its place in the chain; the first is 1
	rotated []rotation     // by place: how its successor came to be
	deeds   []deed         // of the user, which may have ended it
	endFrom moment         // it may have ended from then on
	endBy   moment         // it had certainly ended then
	told    []told         // the answers that told of the end, so that access tokens are refused too
	unseen  bool           // somebody came outside the grace, and was answered
	wronged bool           // it was ended without a reason
	breach  func(promise, call, string, ...any)
}

// told is an answer that tells of a session's end. Only the process that ended it knows at once.
type told struct {
	by     moment
	server int // -1 when nobody knows which it was
}

// rotation is when a token's successor became current.
type rotation struct {
	ways    []way  // in which it may have become so, the first presentation first
	by      moment // an answer that shows it was received
	proof   int    // the step-up or the change of password that made it, as its answer shows; or -1
	refresh bool   // it was no step-up: the predecessor was answered with it
}

// way is a call that may have made a successor current: not before a moment, and at that call's
// place in the list, with which a call is told from itself.
type way struct {
	after, by moment
	call      int
	server    int
}

// check reads a history and says what became of everyone, and which promises were not kept.
func check(h history) report {
	r := report{
		Calls: len(h.Calls), Outages: len(h.Outages), Deeds: map[string]int{}, thefts: map[int]verdict{},
	}
	for _, o := range h.Outages {
		r.LongestOutage = max(r.LongestOutage, o.Ready-o.Dead)
	}
	accounts := judgeUsers(h, &r)
	sessions := map[string][]call{}
	for _, c := range h.Calls {
		r.count(c)
		switch {
		case !c.arrived():
		case c.Session != "":
			sessions[c.Session] = append(sessions[c.Session], c)
		case unforeseen(c): // of the others life tells
			r.Broken = append(r.Broken, breach{alwaysAnswers, c, ""})
		}
	}
	for _, calls := range sessions {
		l := newLife(h, accounts[calls[0].Owner], calls)
		l.breach = func(p promise, c call, format string, args ...any) {
			r.Broken = append(r.Broken, breach{p, c, fmt.Sprintf(format, args...)})
		}
		if l.findPlaces() {
			l.findRotations()
			l.findEnd()
			l.judge()
			l.tell(&r)
		}
	}
	for _, v := range r.thefts {
		r.Thefts.add(v)
	}
	slices.SortFunc(r.Broken, func(a, b breach) int { return cmp.Compare(a.Call.Sent, b.Call.Sent) })
	return r
}

func newLife(h history, a *account, calls []call) *life {
	calls = slices.SortedFunc(slices.Values(calls), func(a, b call) int { return cmp.Compare(a.Sent, b.Sent) })
	l := &life{h: h, account: a, calls: calls, place: map[string]int{}, endFrom: never, endBy: never}
	for _, d := range a.deeds {
		if d.mayEnd(calls) {
			l.deeds = append(l.deeds, d)
		}
	}
	return l
}

// handledBy is the last moment at which a call can have taken effect.
func (h history) handledBy(c call) moment {
	if answered(c) {
		return c.Received
	}
	by := c.Received + afterHangUp
	for _, o := range h.Outages {
		if o.Server == c.Server && o.Dead > c.Sent {
			return min(by, o.Dead) // a dead process does nothing
		}
	}
	return by
}

// answered says that what became of a call is known: 503 may be said of what has taken place.
func answered(c call) bool { return c.Status != 0 && c.Status != http.StatusServiceUnavailable }

// arrived says that the server has seen the call.
func (c call) arrived() bool { return c.Fate != requestLost && c.Fate != nobodyThere }

// findPlaces takes down at which place of the chain each token is, and reports whether it is one. A
// token tells its place itself.
func (l *life) findPlaces() bool {
	at := map[int]string{}
	for _, c := range l.calls {
		if c.Ask == askRefresh {
			l.place[c.Token] = c.Place
		}
		if c.Given == "" {
			continue
		}
		other := at[c.GivenPlace]
		if c.Ask == askRefresh && c.GivenPlace != c.Place+1 || other != "" && other != c.Given {
			l.breach(oneSuccessor, c, "token %s of place %d brought %s of place %d, and another call %q",
				c.Token, c.Place, c.Given, c.GivenPlace, other)
			return false
		}
		at[c.GivenPlace] = c.Given
		l.place[c.Given] = c.GivenPlace
	}
	return true
}

// stepsUp says that a call takes its session to the next generation without presenting a refresh
// token.
func (c call) stepsUp() bool { return c.Ask == askStepUp || c.Ask == askChangePassword }

// findRotations finds out how each token's successor may have become current.
func (l *life) findRotations() {
	last := 1
	for _, c := range l.calls {
		last = max(last, c.Place, c.GivenPlace)
	}
	l.rotated = make([]rotation, last+3)
	for n := range l.rotated {
		l.rotated[n] = rotation{by: never, proof: -1}
	}
	for n, c := range l.calls {
		if !c.succeeded() || c.Given == "" || c.GivenPlace < 2 {
			continue
		}
		r := &l.rotated[c.GivenPlace-1]
		r.by = min(r.by, c.Received)
		r.refresh = r.refresh || c.Ask == askRefresh
		if c.stepsUp() {
			r.proof = n
		}
	}
	// In the order of the places: a token can be replaced only once it is current.
	for place := 1; place < len(l.rotated); place++ {
		l.findWays(place)
	}
}

// findWays finds the calls that may have replaced the token of a place.
func (l *life) findWays(place int) {
	r := &l.rotated[place]
	current := moment(-1)
	if place > 1 {
		current = l.rotated[place-1].after(-1)
	}
	for n, c := range l.calls {
		may := r.proof == n
		switch {
		case r.proof >= 0 || answered(c) && !c.succeeded():
		case c.Ask == askRefresh:
			may = c.Place == place
		case c.stepsUp() && !answered(c):
			may = l.h.handledBy(c) > current && !(c.Ask == askStepUp && r.refresh)
		}
		if may {
			r.ways = append(r.ways, way{max(c.Sent, current), l.h.handledBy(c), n, c.Server})
		}
	}
}

// after is the first moment at which a call other than the n-th can have made it so.
func (r rotation) after(n int) moment {
	first := never
	for _, w := range r.ways {
		if w.call != n {
			first = min(first, w.after)
		}
	}
	return first
}

// ahead is by how much the clock of a process is ahead of another's.
func (h history) ahead(of, other int) time.Duration {
	if len(h.Processes) == 0 {
		return 0
	}
	return h.Processes[of].Ahead - h.Processes[other].Ahead
}

// mayBeReuse says that the n-th call can have been handled as the reuse of an old token, going by
// the times of the others: late when its successor was current for longer than the grace, overtaken
// when the successor was used.
func (l *life) mayBeReuse(n int) (late, overtaken bool) {
	c := l.calls[n]
	by := l.h.handledBy(c)
	if !answered(c) {
		by = min(by, l.endBy) // what came after the end did not cause it
	}
	if by < c.Sent {
		return false, false
	}
	for _, w := range l.rotated[c.Place].ways {
		if w.call == n || w.after >= by {
			continue
		}
		// The distance by the clocks of those who have read them; it can be that of a clock behind,
		// too.
		ahead := l.h.ahead(c.Server, w.server)
		longest := max(by-min(w.after, c.Sent)+ahead, -ahead)
		late = late || longest > l.h.Grace-clockSlack
	}
	return late, l.rotated[c.Place+1].after(n) < by
}

// mayBeShutOut says that the n-th call may have come within the grace after a step-up, and so got
// nothing though the session lived.
func (l *life) mayBeShutOut(n int) bool {
	c := l.calls[n]
	r := l.rotated[c.Place]
	return slices.ContainsFunc(r.ways, func(w way) bool {
		shortest := max(c.Sent-w.by+l.h.ahead(c.Server, w.server), 0)
		within := w.after < l.h.handledBy(c) && shortest <= l.h.Grace+clockSlack
		return within && l.calls[w.call].Ask == askStepUp
	})
}

// livedAfter says that a session was alive at some time after a moment. That an access token was
// taken shows it only when every process would have known of the end.
func (l *life) livedAfter(t moment) bool {
	return slices.ContainsFunc(l.calls, func(c call) bool {
		if !c.succeeded() || c.Ask == askLogin {
			return false
		}
		if usesAccess(c) {
			return c.Ask == askMe && c.Sent > t+elsewhere
		}
		return c.Sent > t
	})
}

// findEnd finds out between which moments the session ended, if it did.
func (l *life) findEnd() {
	for n, c := range l.calls {
		switch {
		case c.Code == "refresh_token_reused", c.Ask == askLogout && c.succeeded():
			l.endFrom, l.endBy = min(l.endFrom, c.Sent), min(l.endBy, c.Received)
			l.told = append(l.told, told{c.Received, c.Server})
		case c.Ask == askRefresh && c.Status == http.StatusUnauthorized && !l.mayBeShutOut(n):
			l.endBy = min(l.endBy, c.Received)
			l.told = append(l.told, told{c.Received, -1})
		}
	}
	for n, c := range l.calls {
		if answered(c) || l.livedAfter(l.h.handledBy(c)) { // then it ended nothing
			continue
		}
		if c.Ask == askLogout || c.Ask == askRefresh && l.canEnd(n) {
			l.endFrom = min(l.endFrom, c.Sent)
		}
	}
	for _, d := range l.deeds {
		if !l.livedAfter(d.by) {
			l.endFrom = min(l.endFrom, d.Sent)
		}
	}
}

// toldBy is when a process knew of the end.
func (l *life) toldBy(server int) moment {
	by := never
	for _, t := range l.told {
		if t.server != server {
			t.by += elsewhere
		}
		by = min(by, t.by)
	}
	return by
}

// canEnd says that the n-th call can have ended the session, for whichever reason.
func (l *life) canEnd(n int) bool {
	late, overtaken := l.mayBeReuse(n)
	return late || overtaken
}

// judge holds each answer against the promises.
func (l *life) judge() {
	for n, c := range l.calls {
		ended := c.Sent > l.endBy
		if usesAccess(c) {
			ended = c.Sent > l.toldBy(c.Server)
		}
		mayHaveEnded := l.endFrom < l.h.handledBy(c)
		switch {
		case unforeseen(c):
			l.breach(alwaysAnswers, c, "")
		case !answered(c), c.Ask == askLogin:
		case c.Ask != askLogout && c.succeeded() && ended, c.Code == "refresh_token_reused" && ended:
			l.breach(endIsForGood, c, "it had ended by %s", l.endBy)
		case c.Code == "token_revoked" && !mayHaveEnded && !l.account.mayBeCut(c):
			l.breach(accessHolds, c, "")
		case c.Ask == askRefresh:
			l.judgeRefresh(n, mayHaveEnded)
		}
	}
}

func (l *life) judgeRefresh(n int, mayHaveEnded bool) {
	c := l.calls[n]
	switch {
	case c.succeeded():
		if by := l.rotated[c.Place+1].by; by < c.Sent {
			l.unseen = true
			l.breach(graceIsOver, c, "its successor had been used by %s", by)
		} else if l.mustBeLate(c) {
			l.unseen = true
			by := l.rotated[c.Place].by
			l.breach(graceIsOver, c, "its successor was current since %s at the latest", by)
		}
	case c.Code == "refresh_token_reused":
		if late, overtaken := l.mayBeReuse(n); !late && !overtaken {
			l.wronged = true
			l.breach(graceHolds, c, "place %d of the chain; its successor was current since %s at the earliest",
				c.Place, l.rotated[c.Place].after(n))
		}
	case !mayHaveEnded && !l.mayBeShutOut(n):
		l.breach(nothingLost, c, "place %d of the chain", c.Place)
	}
}

// mustBeLate says that a token was presented when the grace after it was certainly over.
func (l *life) mustBeLate(c call) bool {
	r := l.rotated[c.Place]
	if r.by >= c.Sent {
		return false
	}
	least := never
	for _, w := range r.ways {
		least = min(least, c.Sent-r.by+l.h.ahead(c.Server, w.server))
	}
	return least != never && least > l.h.Grace+clockSlack
}
