package e2e

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	ms        = time.Millisecond
	taleGrace = time.Second
)

// at returns a call of the owner in session "s" that takes 10 ms. The histories below are written
// with it. A token has the place in the chain that its letter has in the alphabet.
func at(sent moment, ask, token, given string) call {
	c := call{
		Ask:      ask,
		Owner:    "o",
		Session:  "s",
		Token:    token,
		Given:    given,
		Sent:     sent,
		Received: sent + 10*ms,
		Status:   200,
	}
	c.Place, c.GivenPlace = placeIn(token), placeIn(given)
	if strings.HasSuffix(answers[ask][0], "204") {
		c.Status = 204
	}
	return c
}

func placeIn(token string) int {
	if token == "" {
		return 0
	}
	return int(token[0]-'a') + 1
}

func began() call { return at(0, askLogin, "", "a") }

func rotates(sent moment, token, given string) call { return at(sent, askRefresh, token, given) }

func refused(sent moment, ask, token, code string) call {
	c := at(sent, ask, token, "")
	c.Status, c.Code = 401, code
	return c
}

func reused(sent moment, token string) call {
	return refused(sent, askRefresh, token, "refresh_token_reused")
}

func invalid(sent moment, token string) call {
	return refused(sent, askRefresh, token, "refresh_token_invalid")
}

// unanswered is a call that was cut off 10 ms after it was sent.
func unanswered(sent moment, ask, token string) call {
	c := at(sent, ask, token, "")
	c.Status = 0
	return c
}

func (c call) by(theft int) call {
	c.Theft = theft
	return c
}

func (c call) meeting(f fate) call {
	c.Fate = f
	return c
}

func (c call) lasting(d time.Duration) call {
	c.Received = c.Sent + d
	return c
}

func (c call) answering(status int, code string) call {
	c.Status, c.Code, c.Given, c.GivenPlace = status, code, "", 0
	return c
}

// Each of these histories breaks a promise, and must be reported.
func TestCheck_findsWhatIsBroken(t *testing.T) {
	for _, tale := range []struct {
		name  string
		calls []call
		want  promise
	}{
		{"an owner is logged out with the current token", []call{began(), rotates(100*ms, "a", "b"),
			reused(200*ms, "b")}, graceHolds},
		{"an owner is logged out by a retry within the grace",
			[]call{began(), rotates(100*ms, "a", "b"), reused(900*ms, "a")}, graceHolds},
		{"an owner is logged out by the retry of a request without an answer",
			[]call{began(), unanswered(100*ms, askRefresh, "a"), reused(900*ms, "a")}, graceHolds},
		{"an owner is logged out by one of two copies",
			[]call{began(), rotates(100*ms, "a", "b"), reused(101*ms, "a")}, graceHolds},
		{"an owner is logged out within the grace, beside a thief",
			[]call{began(), rotates(100*ms, "a", "b"), rotates(200*ms, "b", "c").by(1),
				reused(250*ms, "b")}, graceHolds},
		{"a theft goes on unseen: the thief used the token, the owner comes after the grace",
			[]call{began(), rotates(100*ms, "a", "b").by(1), rotates(1200*ms, "a", "b")}, graceIsOver},
		{"a theft goes on unseen: the thief comes after the grace",
			[]call{began(), rotates(100*ms, "a", "b"), rotates(1200*ms, "a", "b").by(1)}, graceIsOver},
		{"a theft goes on unseen: the thief comes within the grace, after the successor was used",
			[]call{began(), rotates(100*ms, "a", "b"), rotates(200*ms, "b", "c"),
				rotates(300*ms, "a", "b").by(1)}, graceIsOver},
		{"a token has two successors", []call{began(), rotates(100*ms, "a", "b"),
			rotates(200*ms, "a", "x")}, oneSuccessor},
		{"an old token brings the newest", []call{began(), rotates(100*ms, "a", "b"), rotates(200*ms, "b", "c"),
			rotates(300*ms, "a", "c")}, oneSuccessor},
		{"two tokens have one successor", []call{began(), rotates(100*ms, "a", "b"),
			rotates(200*ms, "b", "b")}, oneSuccessor},
		{"an acknowledged successor is refused", []call{began(), rotates(100*ms, "a", "b"),
			invalid(200*ms, "b")}, nothingLost},
		{"an acknowledged login is refused", []call{began(), invalid(100*ms, "a")}, nothingLost},
		{"what was cut off is no excuse when the session lived afterwards", []call{began(), rotates(100*ms, "a", "b"),
			rotates(200*ms, "b", "c"), unanswered(210*ms, askRefresh, "a"), rotates(2*time.Second, "c", "d"),
			invalid(3*time.Second, "d")}, nothingLost},
		{"a request is no excuse for itself", []call{began(), unanswered(100*ms, askRefresh, "a").lasting(1100 * ms),
			invalid(1300*ms, "a")}, nothingLost},
		{"a logout that was cut off is no excuse when the session lived afterwards", []call{began(),
			unanswered(100*ms, askLogout, "x"), rotates(2*time.Second, "a", "b"),
			invalid(3*time.Second, "b")}, nothingLost},
		{"a request that nobody was there for is no excuse", []call{began(), rotates(100*ms, "a", "b"),
			unanswered(190*ms, askRefresh, "a").meeting(nobodyThere), rotates(200*ms, "b", "c"),
			invalid(300*ms, "c")}, nothingLost},
		{"a session goes on after its reuse", []call{began(), rotates(100*ms, "a", "b"), reused(1200*ms, "a").by(1),
			rotates(1300*ms, "b", "c")}, endIsForGood},
		{"the end of a session is lost", []call{began(), rotates(100*ms, "a", "b"), reused(1200*ms, "a").by(1),
			reused(1300*ms, "a").by(1)}, endIsForGood},
		{"a session goes on after its logout", []call{began(), at(100*ms, askLogout, "x", ""),
			rotates(200*ms, "a", "b")}, endIsForGood},
		{"an access token goes on after its session's end", []call{began(), rotates(100*ms, "a", "b"),
			reused(1200*ms, "a").by(1), at(1300*ms, askMe, "x", "")}, endIsForGood},
		{"an access token goes on after the logout", []call{began(), at(100*ms, askLogout, "x", ""),
			at(200*ms, askMe, "x", "")},
			endIsForGood},
		{"an access token goes on though a refresh was refused long ago", []call{began(), rotates(100*ms, "a", "b"),
			unanswered(1200*ms, askRefresh, "a").by(1), invalid(1300*ms, "b"),
			at(2400*ms, askMe, "x", "")}, endIsForGood},
		{"the access token of a living session is refused",
			[]call{began(), refused(100*ms, askMe, "x", "token_revoked")}, accessHolds},
		{"an access token is refused before its session ends",
			[]call{began(), refused(50*ms, askMe, "x", "token_revoked"),
				rotates(100*ms, "a", "b"), reused(1200*ms, "a").by(1)}, accessHolds},
		{"a logout is refused in a living session",
			[]call{began(), refused(100*ms, askLogout, "x", "token_revoked")}, accessHolds},
		{"a session expires", []call{began(), refused(100*ms, askRefresh, "a",
			"refresh_token_expired")}, alwaysAnswers},
		{"the server fails", []call{began(), rotates(100*ms, "a", "b").answering(500, "internal")}, alwaysAnswers},
	} {
		r := check(history{Grace: taleGrace, Calls: tale.calls})
		if len(r.of(tale.want)) == 0 {
			t.Errorf("%s: not seen; found %v", tale.name, r.Broken)
		}
		if tale.want == graceHolds && r.Owners != (logouts{}) {
			t.Errorf("%s: it is explained too, as %+v", tale.name, r.Owners)
		}
	}
}

// None of these breaks a promise: the server may have done it in that order.
func TestCheck_accusesNobodyWithoutProof(t *testing.T) {
	for _, tale := range []struct {
		name    string
		calls   []call
		outages []outage
	}{
		{"a chain", []call{began(), rotates(100*ms, "a", "b"), rotates(5*time.Second, "b", "c"),
			at(6*time.Second, askMe, "x", "")}, nil},
		{"two tabs at once", []call{began(), rotates(100*ms, "a", "b"), rotates(101*ms, "a", "b"),
			rotates(200*ms, "b", "c")}, nil},
		{"a retry within the grace", []call{began(), unanswered(100*ms, askRefresh, "a"),
			rotates(900*ms, "a", "b")}, nil},
		{"a retry long after a request that never arrived", []call{began(), unanswered(100*ms, askRefresh, "a"),
			rotates(5*time.Second, "a", "b")}, nil},
		{"a reuse, and what comes after it", []call{began(), rotates(100*ms, "a", "b"), reused(1200*ms, "a").by(1),
			invalid(1300*ms, "b"), refused(1400*ms, askMe, "x", "token_revoked")}, nil},
		{"an access token while the session ends", []call{began(), rotates(100*ms, "a", "b"),
			reused(1200*ms, "a").by(1).lasting(100 * ms),
			at(1205*ms, askMe, "x", ""), refused(1206*ms, askMe, "x", "token_revoked")}, nil},
		{"a slow request that was overtaken", []call{began(), reused(90*ms, "a").lasting(300 * ms),
			rotates(100*ms, "a", "b"),
			rotates(200*ms, "b", "c")}, nil},
		{"a slow request that another one left behind", []call{began(), reused(100*ms, "a").lasting(1500 * ms),
			rotates(1300*ms, "a", "b")}, nil},
		{"a reuse without an answer, cut off by a kill", []call{began(), rotates(100*ms, "a", "b"),
			unanswered(1200*ms, askRefresh, "a").by(1), invalid(2*time.Second, "b")},
			[]outage{{Dead: 1205 * ms, Ready: 1300 * ms}}},
		{"a logout without an answer", []call{began(), unanswered(100*ms, askLogout, "x"), invalid(200*ms, "a"),
			refused(300*ms, askLogout, "x", "token_revoked")}, nil},
		{"an access token right after a refresh that was refused", []call{began(), rotates(100*ms, "a", "b"),
			unanswered(1200*ms, askRefresh, "a").by(1), invalid(1215*ms, "b"), at(1226*ms, askMe, "x", "")}, nil},
		{"503", []call{began(), rotates(100*ms, "a", "b").answering(503, "store_unavailable"),
			rotates(200*ms, "a", "b")}, nil},
	} {
		for _, b := range check(history{Grace: taleGrace, Calls: tale.calls, Outages: tale.outages}).Broken {
			t.Errorf("%s: %s", tale.name, b)
		}
	}
}

// A dead server does nothing: what was cut off by a kill is no excuse for what is only possible
// afterwards.
func TestCheck_killEndsWhatWasUnderWay(t *testing.T) {
	calls := []call{
		began(), unanswered(100*ms, askRefresh, "a"), rotates(200*ms, "a", "b"), rotates(250*ms, "b", "c"),
		invalid(300*ms, "c"),
	}
	if r := check(history{Grace: taleGrace, Calls: calls}); len(r.Broken) != 0 || r.Owners.Overtaken != 1 {
		t.Errorf("without a kill the request may have been overtaken: %+v", r)
	}
	killed := []outage{{Dead: 110 * ms, Ready: 190 * ms}}
	if r := check(history{Grace: taleGrace, Calls: calls, Outages: killed}); len(r.of(nothingLost)) != 1 {
		t.Errorf("a request that died with the server is taken for the end of the session: %v", r.Broken)
	}
}

// Who was logged out, and why, is told from the times alone.
func TestCheck_saysWhyAnOwnerWasLoggedOut(t *testing.T) {
	for _, tale := range []struct {
		name  string
		calls []call
		want  logouts
	}{
		{"the thief comes late", []call{began(), rotates(100*ms, "a", "b"),
			reused(1200*ms, "a").by(1)}, logouts{WithThief: 1}},
		{"the thief was first", []call{began(), rotates(100*ms, "a", "b").by(1),
			reused(1200*ms, "a")}, logouts{WithThief: 1}},
		{"the thief may have been first", []call{began(), unanswered(100*ms, askRefresh, "a").by(1),
			reused(1200*ms, "a")},
			logouts{WithThief: 1}},
		{"the thief used a later token", []call{began(), rotates(100*ms, "a", "b"),
			rotates(200*ms, "b", "c").by(1), reused(1200*ms, "a")},
			logouts{WithThief: 1}},
		{"the thief comes late and hears nothing of it", []call{began(), rotates(100*ms, "a", "b"),
			unanswered(1200*ms, askRefresh, "a").by(1), invalid(1300*ms, "b"), unanswered(2500*ms, askRefresh, "b")},
			logouts{WithThief: 1}},
		{"a thief and the owner come late, and nobody hears which was first", []call{began(), rotates(100*ms, "a", "b"),
			unanswered(1200*ms, askRefresh, "a").by(1), unanswered(1201*ms, askRefresh, "a"),
			invalid(1300*ms, "b")}, logouts{Late: 1}},
		{"the thief's reuse ends it while a request of the owner is under way",
			[]call{began(), rotates(20*ms, "a", "b"),
				unanswered(100*ms, askRefresh, "b").lasting(1500 * ms), rotates(150*ms, "b", "c"),
				unanswered(300*ms, askRefresh, "a").by(1), invalid(320*ms, "c")}, logouts{WithThief: 1}},
		{"the owner tries an old token when all is over", []call{began(), rotates(100*ms, "a", "b"),
			rotates(200*ms, "b", "c"),
			unanswered(1500*ms, askRefresh, "a").by(1), invalid(1600*ms, "c"),
			unanswered(2*time.Second, askRefresh, "a")},
			logouts{WithThief: 1}},
		{"the owner may have logged out", []call{began(), rotates(100*ms, "a", "b"),
			unanswered(1200*ms, askRefresh, "a"),
			unanswered(1250*ms, askLogout, "x"), invalid(1400*ms, "b")}, logouts{}},
		{"the owner asks again after the grace", []call{began(), rotates(100*ms, "a", "b"),
			reused(1200*ms, "a")}, logouts{Late: 1}},
		{"the owner asks again when the grace may be over",
			[]call{began(), rotates(100*ms, "a", "b"), reused(1095*ms, "a")},
			logouts{Late: 1}},
		{"a thief who only got what the owner had is no reason",
			[]call{began(), rotates(100*ms, "a", "b"), rotates(200*ms, "a", "b").by(1),
				reused(1300*ms, "a")}, logouts{Late: 1}},
		{"a thief of long ago is no reason", []call{began(), rotates(100*ms, "a", "b").by(1), rotates(200*ms, "a", "b"),
			rotates(300*ms, "b", "c"), reused(1500*ms, "b")}, logouts{Late: 1}},
		{"the owner's request is overtaken", []call{began(), reused(90*ms, "a").lasting(300 * ms),
			rotates(100*ms, "a", "b"),
			rotates(200*ms, "b", "c")}, logouts{Overtaken: 1}},
		{"the owner logs out", []call{began(), at(100*ms, askLogout, "x", ""), invalid(200*ms, "a")}, logouts{}},
	} {
		r := check(history{Grace: taleGrace, Calls: tale.calls})
		if got := r.Owners; got != tale.want || len(r.Broken) > 0 {
			t.Errorf("%s: %+v and %v, want %+v", tale.name, got, r.Broken, tale.want)
		}
	}
}

func TestCheck_saysWhatBecameOfATheft(t *testing.T) {
	for _, tale := range []struct {
		name  string
		calls []call
		want  thefts
	}{
		{"the thief comes late", []call{rotates(100*ms, "a", "b"), reused(1200*ms, "a").by(1)}, thefts{CaughtThief: 1}},
		{"the owner comes late", []call{rotates(100*ms, "a", "b").by(1), reused(1200*ms, "a")}, thefts{CaughtOwner: 1}},
		{"of two thieves the second is late", []call{rotates(100*ms, "a", "b").by(1), reused(1200*ms, "a").by(2)},
			thefts{All: 2, CaughtOwner: 1, CaughtThief: 1}},
		{"the owner is answered late", []call{rotates(100*ms, "a", "b").by(1),
			rotates(1200*ms, "a", "b")}, thefts{Unseen: 1}},
		{"the thief is answered late", []call{rotates(100*ms, "a", "b"),
			rotates(1200*ms, "a", "b").by(1)}, thefts{Unseen: 1}},
		{"all within the grace", []call{rotates(100*ms, "a", "b").by(1), rotates(900*ms, "a", "b")},
			thefts{WithinGrace: 1}},
		{"a logout in between", []call{rotates(100*ms, "a", "b").by(1),
			at(200*ms, askLogout, "x", "")}, thefts{OtherEnd: 1}},
		{"a logout before", []call{at(100*ms, askLogout, "x", ""), invalid(200*ms, "a").by(1)}, thefts{TooLate: 1}},
	} {
		tale.want.All = max(tale.want.All, 1)
		calls := slices.Concat([]call{began()}, tale.calls)
		if got := check(history{Grace: taleGrace, Calls: calls}).Thefts; got != tale.want {
			t.Errorf("%s: %+v, want %+v", tale.name, got, tale.want)
		}
	}
}

func TestHistory_isReadAsItWasWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "history")
	h := history{
		Grace: taleGrace, Processes: []process{{AccessTTL: 3}}, Outages: []outage{{Server: 1, Dead: 1, Ready: 2}},
		Calls: []call{
			began(),
			rotates(100*ms, "a", "b").by(3),
			unanswered(200*ms, askLogout, "x").meeting(hungUp),
			reused(300*ms, "a"),
		},
	}
	if err := h.write(file); err != nil {
		t.Fatal(err)
	}
	if got, err := readHistory(file); err != nil || !reflect.DeepEqual(got, h) {
		t.Errorf("read %+v, %v, want %+v", got, err, h)
	}
}
