package e2e

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// report is what a checker says of a history.
type report struct {
	Calls         int
	Outages       int
	LongestOutage time.Duration

	RequestsLost, NobodyThere, AnswersLost, HungUp, SentTwice, Unanswered int

	Sessions int // that anything is known of
	Rotated  int // tokens that were exchanged for a successor, as an answer says
	Replayed int // answers that brought the same successor once more
	Probes   int // calls with an access token

	StepUps       int            // acknowledged
	Deeds         map[string]int // acknowledged, by what was asked for
	DeedsDone     int            // without an answer, though something later shows that they were done
	DeedsNotDone  int            // without an answer, and something later shows that they were not done
	DeedsUnknown  int            // without an answer, and nothing shows what became of them
	LoginsRefused int            // with an old password, or of who was disabled or deleted

	Owners logouts
	Apart  []string // the owners logged out without a thief and without a broken promise, in words
	Thefts thefts
	Broken []breach

	thefts map[int]verdict
}

// logouts counts the owners who were logged out, though they had not asked for it and no promise
// was broken.
type logouts struct {
	WithThief int // a thief had used the token or a later one
	Late      int // no thief: the owner asked again when the grace may have been over
	Overtaken int // no thief: the successor may have been used before the owner's request arrived
}

// verdict is what became of a theft.
type verdict int

const (
	tooLate     verdict = iota // the session had ended before the thief came, or ended by a logout
	caughtThief                // it ended when the thief came outside the grace
	caughtOwner                // it ended when the owner, or another thief, came outside the grace
	unseen                     // somebody came outside the grace, and was answered
	withinGrace                // nobody came outside the grace
	otherEnd                   // it ended by the owner's logout, or by a deed, after the thief had been
	shutOut                    // a step-up took the token from the thief
)

// thefts counts the stolen tokens that were presented.
type thefts struct {
	All, TooLate, CaughtThief, CaughtOwner, Unseen, WithinGrace, OtherEnd, ShutOut int
}

func (t *thefts) add(v verdict) {
	t.All++
	switch v {
	case tooLate:
		t.TooLate++
	case caughtThief:
		t.CaughtThief++
	case caughtOwner:
		t.CaughtOwner++
	case unseen:
		t.Unseen++
	case withinGrace:
		t.WithinGrace++
	case otherEnd:
		t.OtherEnd++
	case shutOut:
		t.ShutOut++
	}
}

func (r *report) count(c call) {
	switch {
	case c.Ask == askMe:
		r.Probes++
	case c.Ask == askStepUp && c.succeeded():
		r.StepUps++
	case isDeed(c.Ask) && c.succeeded():
		r.Deeds[c.Ask]++
	case c.Ask == askLogin && c.Status == http.StatusUnauthorized:
		r.LoginsRefused++
	}
	switch c.Fate {
	case requestLost:
		r.RequestsLost++
	case nobodyThere:
		r.NobodyThere++
	case answerLost:
		r.AnswersLost++
	case hungUp:
		r.HungUp++
	case sentTwice:
		r.SentTwice++
	}
	if c.Status == 0 && c.arrived() {
		r.Unanswered++
	}
}

// tell adds what became of the session, of its owner and of its thieves.
func (l *life) tell(r *report) {
	r.Sessions++
	answers := map[string]int{}
	ends := len(l.deeds) > 0 // besides reuse
	for _, c := range l.calls {
		switch {
		case c.Ask == askRefresh && c.Status == http.StatusOK:
			answers[c.Token]++
		case c.Ask == askLogout && (!answered(c) || c.Status == http.StatusNoContent):
			ends = true
		}
	}
	for _, n := range answers {
		r.Rotated++
		r.Replayed += n - 1
	}
	cause, late := l.reuse(ends)
	switch {
	case cause == nil, l.wronged:
	case l.thiefHadPart(*cause):
		r.Owners.WithThief++
	default:
		if late {
			r.Owners.Late++
		} else {
			r.Owners.Overtaken++
		}
		r.Apart = append(
			r.Apart,
			fmt.Sprintf("%s's session %s: place %d of the chain, asked for from %s to %s (%s); its successor was "+
				"current from %s to %s", cause.Owner, cause.Session, cause.Place, cause.Sent, l.h.handledBy(*cause),
				cmp.Or(string(cause.Fate), "arrived"), l.rotated[cause.Place].after(-1), l.rotated[cause.Place].by),
		)
	}
	l.tellThefts(r, cause, ends)
}

// reuse returns the presentation that ended the session as reused, if one did, and whether it may
// have come after the grace. Where no answer says which it was, an owner's is taken before a
// thief's.
func (l *life) reuse(ends bool) (cause *call, late bool) {
	for n, c := range l.calls {
		if c.Code == "refresh_token_reused" {
			late, overtaken := l.mayBeReuse(n)
			return &l.calls[n], late && !overtaken
		}
	}
	if ends || l.endBy == never {
		return nil, false
	}
	for n, c := range l.calls {
		if c.Ask != askRefresh || answered(c) || c.Sent < l.endFrom {
			continue
		}
		if mayBeLate, overtaken := l.mayBeReuse(n); mayBeLate || overtaken {
			if cause == nil || c.Theft == 0 {
				cause, late = &l.calls[n], mayBeLate && !overtaken
			}
		}
	}
	return cause, late
}

// thiefHadPart says that it was a thief who presented the token outside the grace, or that a thief
// may have been the first to use it or a later one. One who came when that was done already changed
// nothing.
func (l *life) thiefHadPart(cause call) bool {
	if cause.Theft > 0 {
		return true
	}
	for _, c := range l.calls {
		if c.Theft == 0 || c.Ask != askRefresh || c.Status == http.StatusUnauthorized || c.Place < cause.Place {
			continue
		}
		first := true
		for _, other := range l.calls {
			if other.Token == c.Token && other.Theft == 0 && other.Status == http.StatusOK && other.Received < c.Sent {
				first = false
			}
		}
		if first {
			return true
		}
	}
	return false
}

func (l *life) tellThefts(r *report, cause *call, ends bool) {
	steppedUp := slices.ContainsFunc(l.calls, func(c call) bool { return c.Ask == askStepUp })
	for _, c := range l.calls {
		if c.Theft == 0 || c.Ask != askRefresh {
			continue
		}
		v := r.thefts[c.Theft] // the zero value is tooLate
		switch {
		case v == caughtThief:
		case l.unseen:
			v = unseen
		case c.Code == "refresh_token_reused":
			v = caughtThief
		case c.Status != http.StatusOK:
		case cause != nil:
			v = caughtOwner
		case ends:
			v = otherEnd
		case steppedUp:
			v = shutOut
		default:
			v = withinGrace
		}
		r.thefts[c.Theft] = v
	}
}

// String is the report for people.
func (r report) String() string {
	var b strings.Builder
	line := func(what string, n any) { fmt.Fprintf(&b, "%-58s %9v\n", what, n) }
	line("calls", r.Calls)
	line("sessions", r.Sessions)
	line("refresh tokens exchanged, acknowledged", r.Rotated)
	line("answered with the same successor again", r.Replayed)
	line("access tokens tried", r.Probes)
	line("step-ups", r.StepUps)
	for _, ask := range slices.Sorted(maps.Keys(r.Deeds)) {
		line("deeds, acknowledged: "+ask, r.Deeds[ask])
	}
	line("deeds without an answer: done, as something shows", r.DeedsDone)
	line("deeds without an answer: not done, as something shows", r.DeedsNotDone)
	line("deeds without an answer: nothing shows it", r.DeedsUnknown)
	line("logins refused: an old password, or no user who may", r.LoginsRefused)
	line("requests lost before the server", r.RequestsLost)
	line("requests while no server was running", r.NobodyThere)
	line("answers lost after the server had done it", r.AnswersLost)
	line("connections closed before the answer", r.HungUp)
	line("requests sent twice at once, copies", r.SentTwice)
	line("calls that nobody knows the outcome of", r.Unanswered)
	line("kill -9 of a process, and restarts", r.Outages)
	line("longest time without one of the processes", r.LongestOutage.Round(time.Millisecond))
	line("stolen tokens presented", r.Thefts.All)
	line("  ended when the thief came outside the grace", r.Thefts.CaughtThief)
	line("  ended when the owner came outside the grace", r.Thefts.CaughtOwner)
	line("  outside the grace, and not seen", r.Thefts.Unseen)
	line("  nobody came outside the grace", r.Thefts.WithinGrace)
	line("  a logout, or a deed, ended the session afterwards", r.Thefts.OtherEnd)
	line("  a step-up took the token from the thief", r.Thefts.ShutOut)
	line("  too late: the session had ended", r.Thefts.TooLate)
	line("owners logged out with a thief", r.Owners.WithThief)
	line("owners logged out without a thief", len(r.of(graceHolds, nothingLost)))
	line("  apart: asked again after the grace", r.Owners.Late)
	line("  apart: their own request came after its successor's", r.Owners.Overtaken)
	line("promises not kept", len(r.Broken))
	for _, a := range r.Apart {
		fmt.Fprintln(&b, "apart:", a)
	}
	return b.String()
}

// of returns the breaches of these promises.
func (r report) of(promises ...promise) []breach {
	var list []breach
	for _, b := range r.Broken {
		for _, p := range promises {
			if b.Promise == p {
				list = append(list, b)
			}
		}
	}
	return list
}
