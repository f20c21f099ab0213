package e2e

import (
	"slices"
	"testing"
	"time"
)

// The histories below are of the owner "o", whose first password is "p0".

// logsIn returns a login that begins a session. Its refresh token is "a" and its access token "x",
// each with the session's name behind it.
func logsIn(sent moment, session, password string) call {
	c := at(sent, askLogin, "", "a").in(session)
	c.Password, c.GivenAccess, c.Says = password, "x"+session, "user"
	c.Given += session
	return c
}

// refreshes returns a refresh that brings an access token.
func refreshes(sent moment, session, token, given, access string) call {
	c := at(sent, askRefresh, token, given).in(session)
	c.GivenAccess, c.Says = access, "user"
	return c
}

// does returns a deed of an administrator.
func does(sent moment, ask, sets string) call {
	c := at(sent, ask, "", "").in("")
	c.Sets = sets
	return c
}

// changes returns a change of one's own password, with the refresh token that it brings.
func changes(sent moment, session, password, next, given string) call {
	c := at(sent, askChangePassword, "", given).in(session)
	c.Password, c.Sets = password, next
	return c
}

func stepsUp(sent moment, password, given string) call {
	c := at(sent, askStepUp, "", given)
	c.Password = password
	return c
}

func uses(sent moment, session, access string) call { return at(sent, askMe, access, "").in(session) }

func (c call) in(session string) call {
	c.Session = session
	return c
}

func (c call) of(server int) call {
	c.Server = server
	return c
}

func (c call) saying(roles string) call {
	c.Says = roles
	return c
}

func (c call) cutOff() call {
	c.Status, c.Code, c.Given, c.GivenPlace, c.GivenAccess = 0, "", "", 0, ""
	return c
}

// wrong returns a call that is refused for its password, and so begins nothing.
func wrong(c call) call {
	c = c.answering(401, "invalid_credentials")
	c.GivenAccess, c.Says = "", ""
	if c.Ask == askLogin {
		c.Session = ""
	}
	return c
}

// twoProcesses are those of the histories: the second one's access tokens live for a second.
var twoProcesses = []process{{AccessTTL: time.Hour}, {AccessTTL: time.Second}}

// taleOfDeeds is a history, and the promise that it breaks, or "".
type taleOfDeeds struct {
	name  string
	want  promise
	calls []call
}

func TestCheckDeeds_ofPasswords(t *testing.T) {
	session := logsIn(0, "s", "p0")
	judgeTales(t, []taleOfDeeds{
		{"a login with the new password", "", []call{
			session, changes(100*ms, "s", "p0", "p1", "b"), wrong(logsIn(200*ms, "t", "p0")),
			logsIn(300*ms, "t", "p1"),
		}},
		{"a login with the old password", oldPasswordIsOut, []call{
			session, changes(100*ms, "s", "p0", "p1", "b"), logsIn(200*ms, "t", "p0"),
		}},
		{"a step-up with the old password", oldPasswordIsOut, []call{
			session, does(100*ms, askSetPassword, "p1"), stepsUp(200*ms, "p0", "b"),
		}},
		{"a change by the old password", oldPasswordIsOut, []call{
			session, changes(100*ms, "s", "p0", "p1", "b"), changes(200*ms, "s", "p0", "p2", "c"),
		}},
		{"a login with the old password that was under way, and is refused", "", []call{
			session, changes(100*ms, "s", "p0", "p1", "b"),
			logsIn(95*ms, "t", "p0").lasting(50 * ms), invalid(200*ms, "at").in("t"),
		}},
		{"a login with the old password that was under way, and lives", changeEndsOthers, []call{
			session, changes(100*ms, "s", "p0", "p1", "b"),
			logsIn(95*ms, "t", "p0").lasting(50 * ms), refreshes(200*ms, "t", "at", "bt", "y"),
		}},
		{"two changes by one password", oneChangeWins, []call{
			session, changes(100*ms, "s", "p0", "p1", "b"), changes(105*ms, "s", "p0", "p2", "c"),
		}},
		{"two changes by one password, of which one is made", "", []call{
			session, changes(100*ms, "s", "p0", "p1", "b"),
			changes(105*ms, "s", "p0", "p2", "").answering(422, "validation_failed"),
		}},
		{"another session lives on", changeEndsOthers, []call{
			session, logsIn(10*ms, "t", "p0"), changes(100*ms, "s", "p0", "p1", "b"),
			refreshes(200*ms, "t", "at", "bt", "y"),
		}},
		{"the session itself ends", nothingLost, []call{
			session, changes(100*ms, "s", "p0", "p1", "b"), invalid(200*ms, "b"),
		}},
		{"the session itself goes on", "", []call{
			session, changes(100*ms, "s", "p0", "p1", "b"), uses(200*ms, "s", "xs"),
			refreshes(300*ms, "s", "b", "c", "y"),
		}},
		{"the token of before is answered within the grace", "", []call{
			session, changes(100*ms, "s", "p0", "p1", "b"), refreshes(900*ms, "s", "as", "b", "y"),
		}},
		{"the token of before is refused within the grace", nothingLost, []call{
			session, changes(100*ms, "s", "p0", "p1", "b"), invalid(900*ms, "as").in("s"),
		}},
		{"the token of before brings another one", oneSuccessor, []call{
			session, changes(100*ms, "s", "p0", "p1", "b"), refreshes(900*ms, "s", "as", "bx", "y"),
		}},
		{"an administrator sets one, and a session lives on", changeEndsOthers, []call{
			session, does(100*ms, askSetPassword, "p1"), refreshes(200*ms, "s", "as", "b", "y"),
		}},
		{"an access token lives on in the same process", changeEndsOthers, []call{
			session, does(100*ms, askSetPassword, "p1"), uses(200*ms, "s", "xs"),
		}},
		{"an access token lives on in another process for a while", "", []call{
			session, does(100*ms, askSetPassword, "p1"), uses(200*ms, "s", "xs").of(1),
		}},
		{"an access token lives on in another process", changeEndsOthers, []call{
			session, does(100*ms, askSetPassword, "p1"), uses(1200*ms, "s", "xs").of(1),
		}},
		{"an access token lives on where another process ended the session first", changeEndsOthers, []call{
			session, does(100*ms, askSetPassword, "p1").of(1), does(120*ms, askSetPassword, "p2"),
			uses(200*ms, "s", "xs"),
		}},
		{"a password that was never set is refused", "", []call{
			session, does(100*ms, askSetPassword, "p1").cutOff(), logsIn(500*ms, "t", "p0"),
			wrong(logsIn(600*ms, "u", "p1")),
		}},
		{"a password is refused whose change never arrived", "", []call{
			session, does(100*ms, askSetPassword, "p1").cutOff().meeting(requestLost),
			wrong(logsIn(600*ms, "u", "p1")),
		}},
		{"the current password is refused", passwordHolds, []call{
			session, wrong(logsIn(100*ms, "t", "p0")),
		}},
		{"the new password is refused", passwordHolds, []call{
			session, changes(100*ms, "s", "p0", "p1", "b"), wrong(logsIn(200*ms, "t", "p1")),
		}},
		{"a change is refused, and the password with it", passwordHolds, []call{
			session, changes(100*ms, "s", "p0", "p1", "").answering(422, "validation_failed"),
		}},
	})
}

func TestCheckDeeds_whoseAnswerWasLost(t *testing.T) {
	session := logsIn(0, "s", "p0")
	lost := does(100*ms, askSetPassword, "p1").cutOff()
	judgeTales(t, []taleOfDeeds{
		{"it was done", "", []call{
			session, lost, logsIn(500*ms, "t", "p1"), invalid(600*ms, "as"),
		}},
		{"it was not done", "", []call{
			session, lost, logsIn(500*ms, "t", "p0"), refreshes(600*ms, "s", "as", "b", "y"),
		}},
		{"nobody knows", "", []call{session, lost, invalid(600*ms, "as")}},
		{"the password was changed, and the session lives", deedIsWhole, []call{
			session, lost, logsIn(500*ms, "t", "p1"), refreshes(600*ms, "s", "as", "b", "y"),
		}},
		{"the session was ended, and the password is the old one", nothingLost, []call{
			session, lost, logsIn(500*ms, "t", "p0"), invalid(600*ms, "as"),
		}},
		{"the user was deleted, and the session lives", deedIsWhole, []call{
			session, does(100*ms, askDelete, "").cutOff(),
			does(500*ms, askLook, "").answering(404, "not_found"),
			refreshes(600*ms, "s", "as", "b", "y"),
		}},
		{"the user is there, and the session ended", nothingLost, []call{
			session, does(100*ms, askDelete, "").cutOff(),
			does(500*ms, askLook, "").saying(saysEnabled), invalid(600*ms, "as"),
		}},
		{"the user was disabled, and the session lives", deedIsWhole, []call{
			session, does(100*ms, askDisable, "").cutOff(),
			does(500*ms, askLook, "").saying(saysDisabled), refreshes(600*ms, "s", "as", "b", "y"),
		}},
		{"the user is enabled, and the session ended", nothingLost, []call{
			session, does(100*ms, askDisable, "").cutOff(),
			does(500*ms, askLook, "").saying(saysEnabled), invalid(600*ms, "as"),
		}},
		{"the roles were changed, and a token of before lives", rolesAtOnce, []call{
			session, does(100*ms, askSetRoles, "r user").cutOff(),
			refreshes(500*ms, "s", "as", "b", "y").saying("r user"), uses(1600*ms, "s", "xs"),
		}},
		{"the roles were not changed, and a token is refused", accessHolds, []call{
			session, does(100*ms, askSetRoles, "r user").cutOff(),
			refreshes(500*ms, "s", "as", "b", "y"), refused(600*ms, askMe, "xs", "token_revoked"),
		}},
	})
}

func TestCheckDeeds_ofUsers(t *testing.T) {
	session := logsIn(0, "s", "p0")
	disabled, enabled := does(100*ms, askDisable, ""), does(300*ms, askEnable, "")
	judgeTales(t, []taleOfDeeds{
		{"disabled, and enabled", "", []call{
			session, disabled, invalid(150*ms, "as"), wrong(logsIn(200*ms, "t", "p0")), enabled,
			logsIn(400*ms, "t", "p0"),
		}},
		{"a session lives on", disabledIsOut, []call{
			session, disabled, refreshes(200*ms, "s", "as", "b", "y"),
		}},
		{"a session is reused", disabledIsOut, []call{
			session, refreshes(10*ms, "s", "as", "b", "y"), refreshes(30*ms, "s", "b", "c", "z"),
			disabled, reused(200*ms, "as"),
		}},
		{"a session comes back", disabledIsOut, []call{
			session, disabled, enabled, refreshes(400*ms, "s", "as", "b", "y"),
		}},
		{"an access token comes back", disabledIsOut, []call{
			session, disabled, enabled, uses(400*ms, "s", "xs"),
		}},
		{"a login succeeds", disabledIsOut, []call{
			session, disabled, logsIn(200*ms, "t", "p0"), enabled,
		}},
		{"a login that was under way lives", disabledIsOut, []call{
			session, disabled, logsIn(95*ms, "t", "p0").lasting(50 * ms), enabled,
			refreshes(400*ms, "t", "at", "bt", "y"),
		}},
		{"a login is refused once enabled", passwordHolds, []call{
			session, disabled, enabled, wrong(logsIn(400*ms, "t", "p0")),
		}},
		{"deleted", "", []call{
			session, does(100*ms, askDelete, ""), wrong(logsIn(200*ms, "t", "p0")),
			invalid(300*ms, "as"),
		}},
		{"deleted, and a login succeeds", deletedIsOut, []call{
			session, does(100*ms, askDelete, ""), logsIn(200*ms, "t", "p0"),
		}},
		{"deleted, and a session lives", deletedIsOut, []call{
			session, does(100*ms, askDelete, ""), refreshes(200*ms, "s", "as", "b", "y"),
		}},
		{"logged out everywhere", "", []call{
			session, logsIn(10*ms, "t", "p0"), at(100*ms, askLogoutAll, "xs", ""),
			invalid(200*ms, "as"), invalid(300*ms, "at").in("t"), logsIn(400*ms, "u", "p0"),
		}},
		{"logged out everywhere but there", logoutAllEnds, []call{
			session, logsIn(10*ms, "t", "p0"), at(100*ms, askLogoutAll, "xs", ""),
			refreshes(200*ms, "t", "at", "bt", "y"),
		}},
	})
}

func TestCheckDeeds_ofRolesAndTokens(t *testing.T) {
	session, roles := logsIn(0, "s", "p0"), does(100*ms, askSetRoles, "r user")
	underWay := refreshes(95*ms, "s", "as", "b", "y").lasting(50 * ms)
	judgeTales(t, []taleOfDeeds{
		{"a refresh brings the new roles", "", []call{
			session, roles, refused(200*ms, askMe, "xs", "token_revoked"),
			refreshes(300*ms, "s", "as", "b", "y").saying("r user"), uses(400*ms, "s", "y"),
		}},
		{"a token of before is taken", rolesAtOnce, []call{
			session, roles, uses(200*ms, "s", "xs"),
		}},
		{"a token of before is taken elsewhere for a while", "", []call{
			session, roles, uses(200*ms, "s", "xs").of(1),
		}},
		{"a token of before is taken elsewhere", rolesAtOnce, []call{
			session, roles, uses(1200*ms, "s", "xs").of(1),
		}},
		{"a refresh brings the old roles", tokenSaysRoles, []call{
			session, roles, refreshes(300*ms, "s", "as", "b", "y"),
		}},
		{"a token of a refresh under way is taken", rolesAtOnce, []call{
			session, roles, underWay, uses(200*ms, "s", "y"),
		}},
		{"a token of a refresh under way is refused", "", []call{
			session, roles, underWay, refused(200*ms, askMe, "y", "token_revoked"),
		}},
		{"a token of the new roles is refused", accessHolds, []call{
			session, roles, refreshes(300*ms, "s", "as", "b", "y").saying("r user"),
			refused(400*ms, askMe, "y", "token_revoked"),
		}},
		{"the session ends", nothingLost, []call{session, roles, invalid(300*ms, "as")}},
		{"a token is taken for too long", accessHasItsTime, []call{
			session, refreshes(100*ms, "s", "as", "b", "y").of(1), uses(33*time.Second, "s", "y"),
		}},
		{"a token expires in its time", "", []call{
			session, refreshes(100*ms, "s", "as", "b", "y").of(1),
			refused(33*time.Second, askMe, "y", "token_expired"),
		}},
		{"a token expires before its time", accessHasItsTime, []call{
			session, refreshes(100*ms, "s", "as", "b", "y").of(1),
			refused(29*time.Second, askMe, "y", "token_expired"),
		}},
	})
}

func TestCheckDeeds_ofStepUps(t *testing.T) {
	session, stepUp := logsIn(0, "s", "p0"), stepsUp(100*ms, "p0", "b")
	judgeTales(t, []taleOfDeeds{
		{"the token of before gets nothing within the grace, and ends nothing", "", []call{
			session, stepUp, invalid(900*ms, "as"), refreshes(950*ms, "s", "b", "c", "y"),
		}},
		{"the token of before gets nothing while the step-up is under way", "", []call{
			session, stepUp.lasting(100 * ms), invalid(150*ms, "as"),
			refreshes(950*ms, "s", "b", "c", "y"),
		}},
		{"the token of before is reuse after the grace", "", []call{
			session, stepUp, reused(1200*ms, "as").by(1), invalid(1300*ms, "b"),
		}},
		{"the token of before is reuse within the grace", graceHolds, []call{
			session, stepUp, reused(900*ms, "as").by(1),
		}},
		{"the token of before ends nothing after the grace", nothingLost, []call{
			session, stepUp, invalid(1300*ms, "as").by(1), refreshes(1400*ms, "s", "b", "c", "y"),
		}},
		{"the token of before brings the new one", stepUpIsNobodys, []call{
			session, stepUp, refreshes(200*ms, "s", "as", "b", "y").by(1),
		}},
		{"the new token is refused", nothingLost, []call{session, stepUp, invalid(200*ms, "b")}},
		{"the current token is refused without a step-up", nothingLost, []call{
			session, invalid(200*ms, "as"),
		}},
		{"a step-up without an answer took the token away", "", []call{
			session, stepUp.cutOff(), invalid(200*ms, "as"), stepsUp(300*ms, "p0", "c"),
			refreshes(400*ms, "s", "c", "d", "y"),
		}},
		{"a step-up without an answer took no token away that was answered since", nothingLost, []call{
			session, stepUp.cutOff(), refreshes(500*ms, "s", "as", "b", "y"), invalid(600*ms, "b"),
			stepsUp(700*ms, "p0", "c"),
		}},
		{"a step-up is refused in a living session", accessHolds, []call{
			session, stepsUp(100*ms, "p0", "").answering(401, "token_revoked"),
		}},
	})
}

// judgeTales holds each history against the rules: it breaks the one promise or none.
func judgeTales(t *testing.T, tales []taleOfDeeds) {
	for _, tale := range tales {
		h := history{Grace: taleGrace, Processes: twoProcesses, Calls: slices.Clone(tale.calls)}
		slices.SortFunc(h.Calls, func(a, b call) int { return int(a.Sent - b.Sent) })
		r := check(h)
		switch {
		case tale.want == "":
			for _, b := range r.Broken {
				t.Errorf("%s: %s", tale.name, b)
			}
		case len(r.of(tale.want)) == 0:
			t.Errorf("%s: not seen; found %v", tale.name, r.Broken)
		}
	}
}

// A process whose clock is ahead counts the grace from another moment than the others.
func TestCheck_clockAhead(t *testing.T) {
	ahead := []process{{AccessTTL: time.Hour}, {AccessTTL: time.Hour, Ahead: 2 * time.Second}}
	for _, tale := range []taleOfDeeds{
		{"it takes a token for older than it is", "", []call{
			began(), rotates(100*ms, "a", "b"), reused(200*ms, "a").of(1),
		}},
		{"it takes its own tokens for as old as they are", graceHolds, []call{
			began(), rotates(100*ms, "a", "b").of(1), reused(200*ms, "a").of(1),
		}},
		{"the others take its tokens for younger than they are", "", []call{
			began(), rotates(100*ms, "a", "b").of(1), rotates(2900*ms, "a", "b"),
		}},
		{"the others take its tokens for younger than can be", graceIsOver, []call{
			began(), rotates(100*ms, "a", "b").of(1), rotates(3500*ms, "a", "b"),
		}},
	} {
		r := check(history{Grace: taleGrace, Processes: ahead, Calls: tale.calls})
		if tale.want == "" && len(r.Broken) > 0 || tale.want != "" && len(r.of(tale.want)) == 0 {
			t.Errorf("%s: found %v, want %q", tale.name, r.Broken, tale.want)
		}
	}
}
