package e2e

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"slices"
	"time"
)

// The checker knows the calls and their times, not the server. A call takes effect at a moment between its
// Sent and its Received that nobody knows, so each rule speaks only of what is so at every such moment:
// what is reported did happen. What may have been either way is counted apart, and is never an excuse for
// the next answer unless that needs it.

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
	return fmt.Sprintf("not kept: %s.\n\t%s of %s's session %s by %s, %s to %s: %d %s; %s", b.Promise, b.Call.Ask, b.Call.Owner,
		b.Call.Session, who, b.Call.Sent, b.Call.Received, b.Call.Status, b.Call.Code, b.Detail)
}

const (
	// clockSlack is by how much the server's clock and the test's may differ over one grace.
	clockSlack = 20 * time.Millisecond
	// afterHangUp is how long after a connection was closed the server may still be at its request.
	afterHangUp = 300 * time.Millisecond
	// accessSlack is how long access tokens may live on after a refresh was refused. Only the answer that
	// tells of the end promises that they do not; the refusal of another call may be a moment earlier.
	accessSlack = time.Second
	never       = moment(math.MaxInt64)
)

// life is what is known of one session.
type life struct {
	h       history
	calls   []call         // about it, in the order of sending
	place   map[string]int // token → its place in the chain; the first is 1
	rotated []rotation     // by place: how its successor came to be
	endFrom moment         // it may have ended from then on
	endBy   moment         // it had certainly ended then
	toldBy  moment         // an answer had told of the end, so that access tokens are refused too
	unseen  bool           // somebody came outside the grace, and was answered
	wronged bool           // it was ended without a reason
	breach  func(promise, call, string, ...any)
}

// rotation is when a token's successor became current: between the two moments.
type rotation struct {
	after  moment // the first presentation was sent
	asker  int    // index in calls of that presentation
	second moment // the second one was sent
	by     moment // an answer that shows it was received
}

// check reads a history and says what became of everyone, and which promises were not kept.
func check(h history) report {
	r := report{Calls: len(h.Calls), Outages: len(h.Outages), thefts: map[int]verdict{}}
	for _, o := range h.Outages {
		r.LongestOutage = max(r.LongestOutage, o.Ready-o.Dead)
	}
	sessions := map[string][]call{}
	for _, c := range h.Calls {
		r.count(c)
		switch {
		case !c.arrived():
		case c.Session != "":
			sessions[c.Session] = append(sessions[c.Session], c)
		case unforeseen(c):
			r.Broken = append(r.Broken, breach{alwaysAnswers, c, ""})
		}
	}
	for _, calls := range sessions {
		l := newLife(h, calls)
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

func newLife(h history, calls []call) *life {
	calls = slices.SortedFunc(slices.Values(calls), func(a, b call) int { return cmp.Compare(a.Sent, b.Sent) })
	return &life{h: h, calls: calls, place: map[string]int{}, endFrom: never, endBy: never, toldBy: never}
}

// handledBy is the last moment at which a call can have taken effect.
func (l *life) handledBy(c call) moment {
	if answered(c) {
		return c.Received
	}
	by := c.Received + afterHangUp
	for _, o := range l.h.Outages {
		if o.Dead > c.Sent {
			return min(by, o.Dead) // a dead server does nothing
		}
	}
	return by
}

// answered says that what became of a call is known: 503 may be said of what has taken place.
func answered(c call) bool { return c.Status != 0 && c.Status != http.StatusServiceUnavailable }

// arrived says that the server has seen the call.
func (c call) arrived() bool { return c.Fate != requestLost && c.Fate != nobodyThere }

// unforeseen says that an answer is none of those that its route has in the table.
func unforeseen(c call) bool {
	switch c.Status {
	case 0, http.StatusServiceUnavailable:
		return false
	case http.StatusOK:
		return c.Ask == askLogout
	case http.StatusNoContent:
		return c.Ask != askLogout
	case http.StatusUnauthorized:
		switch c.Ask {
		case askRefresh:
			return c.Code != "refresh_token_invalid" && c.Code != "refresh_token_reused"
		case askMe, askLogout:
			return c.Code != "token_revoked" // none lives long enough here to expire
		}
	}
	return true
}

// findPlaces numbers the tokens of the chain, and reports whether it is one.
func (l *life) findPlaces() bool {
	successor := map[string]string{}
	byAnswer := slices.SortedFunc(slices.Values(l.calls), func(a, b call) int { return cmp.Compare(a.Received, b.Received) })
	for _, c := range byAnswer {
		if c.Given == "" {
			continue
		}
		place := 1
		if c.Ask == askRefresh {
			at, known := l.place[c.Token]
			if old := successor[c.Token]; !known || old != "" && old != c.Given {
				l.breach(oneSuccessor, c, "token %s brought %s, and before it %q", c.Token, c.Given, old)
				return false
			}
			successor[c.Token] = c.Given
			place = at + 1
		}
		if at := l.place[c.Given]; at != 0 && at != place {
			l.breach(oneSuccessor, c, "token %s is the successor of two", c.Given)
			return false
		}
		l.place[c.Given] = place
	}
	return true
}

// findRotations finds out between which moments each token's successor became current.
func (l *life) findRotations() {
	l.rotated = make([]rotation, len(l.place)+3)
	for n := range l.rotated {
		l.rotated[n] = rotation{after: never, second: never, by: never}
	}
	for n, c := range l.calls {
		if c.Ask != askRefresh || answered(c) && c.Status != http.StatusOK {
			continue
		}
		r := &l.rotated[l.place[c.Token]]
		switch {
		case r.after == never:
			r.after, r.asker = c.Sent, n
		case r.second == never:
			r.second = c.Sent
		}
		if c.Status == http.StatusOK {
			r.by = min(r.by, c.Received)
		}
	}
}

// rotatedAfter is the first moment at which a call other than the n-th can have made the successor of the
// token at a place.
func (l *life) rotatedAfter(place, n int) moment {
	if r := l.rotated[place]; r.after != never && r.asker == n {
		return r.second
	}
	return l.rotated[place].after
}

// mayBeReuse says that the n-th call can have been handled as the reuse of an old token, going by the times
// of the others: late when its successor was current for longer than the grace, overtaken when the
// successor was used.
func (l *life) mayBeReuse(n int) (late, overtaken bool) {
	c := l.calls[n]
	place, by := l.place[c.Token], l.handledBy(c)
	if !answered(c) {
		by = min(by, l.endBy) // what came after the end did not cause it
	}
	if by < c.Sent {
		return false, false
	}
	if after := l.rotatedAfter(place, n); after < by {
		late = by-min(after, c.Sent) > l.h.Grace-clockSlack
	}
	return late, l.rotatedAfter(place+1, n) < by
}

// findEnd finds out between which moments the session ended, if it did.
func (l *life) findEnd() {
	alive := moment(-1)
	for _, c := range l.calls {
		if c.Status == http.StatusOK && c.Ask != askLogin {
			alive = max(alive, c.Sent)
		}
	}
	for _, c := range l.calls {
		switch {
		case c.Code == "refresh_token_reused", c.Ask == askLogout && c.Status == http.StatusNoContent:
			l.endFrom, l.endBy, l.toldBy = min(l.endFrom, c.Sent), min(l.endBy, c.Received), min(l.toldBy, c.Received)
		case c.Ask == askRefresh && c.Status == http.StatusUnauthorized:
			l.endBy, l.toldBy = min(l.endBy, c.Received), min(l.toldBy, c.Received+accessSlack)
		}
	}
	for n, c := range l.calls {
		if answered(c) || l.handledBy(c) < alive { // a later success shows that it ended nothing
			continue
		}
		if c.Ask == askLogout || c.Ask == askRefresh && l.canEnd(n) {
			l.endFrom = min(l.endFrom, c.Sent)
		}
	}
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
		if c.Ask == askMe {
			ended = c.Sent > l.toldBy
		}
		mayHaveEnded := l.endFrom < l.handledBy(c)
		switch {
		case unforeseen(c):
			l.breach(alwaysAnswers, c, "")
		case !answered(c), c.Ask == askLogin:
		case c.Status == http.StatusOK && ended, c.Code == "refresh_token_reused" && ended:
			l.breach(endIsForGood, c, "it had ended by %s", l.endBy)
		case c.Ask == askMe && c.Status != http.StatusOK && !mayHaveEnded:
			l.breach(accessHolds, c, "")
		case c.Ask == askLogout && c.Status != http.StatusNoContent && !mayHaveEnded:
			l.breach(accessHolds, c, "")
		case c.Ask == askRefresh:
			l.judgeRefresh(n, mayHaveEnded)
		}
	}
}

func (l *life) judgeRefresh(n int, mayHaveEnded bool) {
	c := l.calls[n]
	place := l.place[c.Token]
	switch {
	case c.Status == http.StatusOK:
		if by := l.rotated[place+1].by; by < c.Sent {
			l.unseen = true
			l.breach(graceIsOver, c, "its successor had been used by %s", by)
		} else if by := l.rotated[place].by; by < c.Sent && c.Sent-by > l.h.Grace+clockSlack {
			l.unseen = true
			l.breach(graceIsOver, c, "its successor was current since %s at the latest", by)
		}
	case c.Code == "refresh_token_reused":
		if late, overtaken := l.mayBeReuse(n); !late && !overtaken {
			l.wronged = true
			l.breach(graceHolds, c, "place %d of the chain; its successor was current since %s at the earliest",
				place, l.rotatedAfter(place, n))
		}
	case !mayHaveEnded:
		l.breach(nothingLost, c, "place %d of the chain", place)
	}
}
