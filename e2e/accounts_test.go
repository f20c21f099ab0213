package e2e

import (
	"strings"
	"testing"
	"time"
)

func TestSignup(t *testing.T) {
	t.Parallel()
	s := serve(t)
	got := s.do(request{Do: "POST /v1/users", Body: object("username", "Alice", "password",
		passwordOf("alice"), "email", "alice@example.com")}).
		want(201, "")
	if got.Header.Get("Location") != "/v1/users/"+got.str("id") {
		t.Errorf("Location %q", got.Header.Get("Location"))
	}
	if len(got.JSON) != 6 || got.str("username") != "Alice" || got.str("email") != "alice@example.com" ||
		got.JSON["disabled"] != false {
		t.Errorf("user %s", got.Text)
	}
	if roles := got.JSON["roles"].([]any); len(roles) != 1 || roles[0] != "user" {
		t.Errorf("roles %v", roles)
	}
	if _, err := time.Parse(time.RFC3339, got.str("created_at")); err != nil ||
		!strings.HasSuffix(got.str("created_at"), "Z") {
		t.Errorf("created_at %q, %v", got.str("created_at"), err)
	}
	if strings.Contains(got.Text, "argon2") || strings.Contains(got.Text, "password") {
		t.Errorf("a password or its hash in %s", got.Text)
	}

	for _, taken := range []string{"Alice", "alice", "ALICE", "\uff21lice"} {
		s.do(request{Do: "POST /v1/users", Body: object("username", taken, "password", passwordOf("x"))}).
			want(409, "username_taken")
	}
	for _, c := range []struct{ body, field, code string }{
		{`{}`, "username", "missing"},
		{`{"username":"bob"}`, "password", "missing"},
		{object("username", "bob", "password", "short"), "password", "too_short"},
		{object("username", "bob", "password", strings.Repeat("x y z ", 200)), "password", "too_long"},
		{object("username", "", "password", passwordOf("b")), "username", "too_short"},
		{object("username", "a b\n", "password", passwordOf("b")), "username", "invalid"},
		{object("username", "bob", "password", passwordOf("b"), "email", "nonsense"), "email", "invalid"},
		{object("username", "bob", "password", passwordOf("b"), "nickname", "b"), "nickname", "unknown"},
		{object("username", "bob", "password", passwordOf("b"), "Username", "b"), "Username", "unknown"},
		{`{"username":"bob","password":"` + passwordOf("b") + `","roles":["admin"]}`, "roles", "forbidden"},
		{`{"username":"bob","password":"` + passwordOf("b") + `","id":"1"}`, "id", "forbidden"},
		{`{"username":"bob","password":"` + passwordOf("b") + `","disabled":false}`, "disabled", "forbidden"},
		{`{"username":1,"password":"` + passwordOf("b") + `"}`, "username", "wrong_type"},
		{`{"username":"bob","password":null}`, "password", "wrong_type"},
	} {
		s.do(request{Do: "POST /v1/users", Body: c.body}).want(422, "validation_failed").wantField(c.field, c.code)
	}
}

func TestSignup_closed(t *testing.T) {
	t.Parallel()
	s := serve(t, "--no-signup")
	body := object("username", "bob", "password", passwordOf("bob"))
	s.do(request{Do: "POST /v1/users", Body: body}).want(401, "token_missing")
	root := s.admin("root")
	s.do(request{Do: "POST /v1/users", Token: root.Access, Body: body}).want(201, "")
	s.do(request{Do: "POST /v1/users", Token: s.login("bob").Access, Body: object("username", "eve",
		"password", passwordOf("e"))}).
		want(403, "insufficient_role")
}

func TestUsers_readAndList(t *testing.T) {
	t.Parallel()
	s := serve(t)
	root, alice := s.admin("root"), s.join("alice")
	bob := s.signUp("bob")

	for _, path := range []string{"/v1/users", "/v1/users/" + alice.ID} {
		s.do(request{Do: "GET " + path}).want(401, "token_missing")
	}
	s.do(request{Do: "GET /v1/users", Token: alice.Access}).want(403, "insufficient_role")
	s.do(request{Do: "GET /v1/users/" + alice.ID, Token: alice.Access}).want(200, "")
	s.do(request{Do: "GET /v1/users/" + bob, Token: alice.Access}).want(403, "not_owner")
	s.do(request{Do: "GET /v1/users/nobody", Token: alice.Access}).want(403, "not_owner")
	s.do(request{Do: "GET /v1/users/nobody", Token: root.Access}).want(404, "not_found")
	if got := s.do(request{Do: "GET /v1/users/" + bob, Token: root.Access}).want(200, ""); got.str(
		"username",
	) != "bob" {
		t.Errorf("user %s", got.Text)
	}

	var names []string
	for path := "/v1/users?limit=2"; path != ""; {
		got := s.do(request{Do: "GET " + path, Token: root.Access}).want(200, "")
		for _, item := range got.JSON["items"].([]any) {
			names = append(names, item.(map[string]any)["username"].(string))
		}
		path = ""
		if cursor, ok := got.JSON["next_cursor"].(string); ok {
			path = "/v1/users?limit=2&cursor=" + cursor
		}
	}
	if strings.Join(names, " ") != "root alice bob" {
		t.Errorf("listed %q", names)
	}
	s.do(request{Do: "GET /v1/users?limit=201", Token: root.Access}).
		want(422, "validation_failed").
		wantField("limit", "invalid")
	s.do(request{Do: "GET /v1/users?cursor=x", Token: root.Access}).
		want(422, "validation_failed").
		wantField("cursor", "invalid")
}

func TestUsers_conditionalGet(t *testing.T) {
	t.Parallel()
	s := serve(t)
	alice := s.join("alice")
	got := s.me(alice.Access).want(200, "")
	etag := got.Header.Get("ETag")
	if etag == "" || !strings.HasPrefix(got.Header.Get("Cache-Control"), "private") ||
		got.Header.Get("Vary") != "Authorization" {
		t.Errorf("header %v", got.Header)
	}
	again := s.do(
		request{Do: "GET /v1/me", Token: alice.Access, Header: map[string]string{"If-None-Match": `"x", W/` + etag}},
	)
	if again.Status != 304 || again.Text != "" || again.Header.Get("ETag") != etag {
		t.Errorf("answered %d %q", again.Status, again.Text)
	}
	if other := s.do(request{Do: "GET /v1/me", Token: alice.Access,
		Header: map[string]string{"If-None-Match": `"x"`}}); other.Status != 200 {
		t.Errorf("answered %d to another tag", other.Status)
	}
	if head := s.do(request{Do: "HEAD /v1/me", Token: alice.Access}); head.Status != 200 || head.Text != "" ||
		head.Header.Get("ETag") != etag {
		t.Errorf("HEAD answered %d %q %v", head.Status, head.Text, head.Header)
	}
}

func TestUsers_change(t *testing.T) {
	t.Parallel()
	s := serve(t)
	root, alice, bob := s.admin("root"), s.join("alice"), s.join("bob")
	path := "PATCH /v1/users/" + alice.ID

	s.do(request{Do: path, Body: object("email", "a@example.com")}).want(401, "token_missing")
	s.do(request{Do: path, Token: bob.Access, Body: object("email", "a@example.com")}).want(403, "not_owner")
	if got := s.do(request{Do: path, Token: alice.Access,
		Body: object("email", "a@example.com")}).want(200, ""); got.str(
		"email",
	) != "a@example.com" {
		t.Errorf("user %s", got.Text)
	}
	s.do(request{Do: path, Token: root.Access, Body: object("username", "Alicia")}).want(200, "")
	s.do(request{Do: path, Token: alice.Access, Body: object("username", "BOB")}).want(409, "username_taken")
	s.do(request{Do: path, Token: alice.Access, Body: object("username", "alice")}).want(200, "")
	s.do(request{Do: path, Token: alice.Access, Body: `{"roles":["admin"]}`}).
		want(422, "validation_failed").
		wantField("roles", "forbidden")
	s.do(request{Do: path, Token: alice.Access, Body: object("nickname", "a")}).
		want(422, "validation_failed").
		wantField("nickname", "unknown")
	s.do(request{Do: "PATCH /v1/users/nobody", Token: root.Access, Body: `{}`}).want(404, "not_found")
}

func TestUsers_newPasswordEndsTheOtherSessions(t *testing.T) {
	t.Parallel()
	s := serve(t)
	root, alice := s.admin("root"), s.join("alice")
	other := s.login("alice")
	path, secret := "PATCH /v1/users/"+alice.ID, "another long secret of hers"

	s.do(request{Do: path, Token: alice.Access, Body: object("password", secret)}).
		want(422, "validation_failed").
		wantField("current_password", "missing")
	s.do(request{Do: path, Token: alice.Access, Body: object("password", secret, "current_password", "wrong")}).
		want(422, "validation_failed").
		wantField("current_password", "wrong")
	s.do(request{Do: path, Token: alice.Access, Body: object("password", "short",
		"current_password", passwordOf("alice"))}).
		want(422, "validation_failed").
		wantField("password", "too_short")
	s.me(other.Access).want(200, "")
	s.do(request{Do: path, Token: alice.Access, Body: object("password", secret, "current_password",
		passwordOf("alice"))}).
		want(200, "")

	s.me(alice.Access).want(200, "")
	s.me(other.Access).want(401, "token_revoked")
	s.refresh(other.Refresh).want(401, "refresh_token_invalid")
	s.do(request{Do: "POST /v1/login", Body: object("username", "alice", "password", passwordOf("alice"))}).
		want(401, "invalid_credentials")
	s.do(request{Do: "POST /v1/login", Body: object("username", "alice", "password", secret)}).want(200, "")

	// An administrator sets one without knowing the old; then every session ends.
	s.do(request{Do: path, Token: root.Access, Body: object("password", passwordOf("alice"))}).want(200, "")
	s.me(alice.Access).want(401, "token_revoked")
	s.login("alice")
}

func TestUsers_delete(t *testing.T) {
	t.Parallel()
	s := serve(t)
	root, alice, bob, eve := s.admin("root"), s.join("alice"), s.join("bob"), s.join("eve")
	s.do(request{Do: "DELETE /v1/users/" + alice.ID}).want(401, "token_missing")
	s.do(request{Do: "DELETE /v1/users/" + alice.ID, Token: bob.Access}).want(403, "not_owner")
	s.do(request{Do: "DELETE /v1/users/" + alice.ID, Token: alice.Access}).want(204, "")
	s.do(request{Do: "DELETE /v1/users/" + bob.ID, Token: root.Access}).want(204, "")
	s.do(request{Do: "DELETE /v1/users/" + bob.ID, Token: root.Access}).want(404, "not_found")
	for _, gone := range []person{alice, bob} {
		s.me(gone.Access).want(401, "token_revoked")
		s.refresh(gone.Refresh).want(401, "refresh_token_invalid")
		s.do(request{Do: "POST /v1/login", Body: object("username", gone.Name, "password", passwordOf(gone.Name))}).
			want(401, "invalid_credentials")
	}
	s.me(eve.Access).want(200, "")
	s.do(request{Do: "DELETE /v1/users/" + root.ID, Token: root.Access}).want(409, "last_admin")
}

func TestUsers_roles(t *testing.T) {
	t.Parallel()
	s := serve(t)
	root, alice := s.admin("root"), s.join("alice")
	path := "PUT /v1/users/" + alice.ID + "/roles"
	s.do(request{Do: path, Body: `{"roles":["admin"]}`}).want(401, "token_missing")
	s.do(request{Do: path, Token: alice.Access, Body: `{"roles":["admin"]}`}).want(403, "insufficient_role")
	s.do(request{Do: path, Token: root.Access, Body: `{"roles":["Not a role"]}`}).
		want(422, "validation_failed").
		wantField("roles", "invalid")
	s.do(request{Do: path, Token: root.Access, Body: `{}`}).
		want(422, "validation_failed").
		wantField("roles", "missing")
	s.do(request{Do: path, Token: root.Access, Body: `{"roles":"admin"}`}).
		want(422, "validation_failed").
		wantField("roles", "wrong_type")
	s.do(request{Do: path, Token: root.Access, Body: `{"roles":["user","admin"]}`}).want(200, "")

	// The old access token, which does not say so, is refused; a refresh brings one that does.
	s.me(alice.Access).want(401, "token_revoked")
	next := s.refresh(alice.Refresh).want(200, "").str("access_token")
	s.do(request{Do: "GET /v1/users", Token: next}).want(200, "")

	s.do(request{Do: "PUT /v1/users/" + root.ID + "/roles", Token: next, Body: `{"roles":["user"]}`}).want(200, "")
	s.do(request{Do: "GET /v1/users", Token: root.Access}).want(401, "token_revoked")
	s.do(request{Do: path, Token: next, Body: `{"roles":["user"]}`}).want(409, "last_admin")
}

func TestUsers_disable(t *testing.T) {
	t.Parallel()
	s := serve(t)
	root, alice := s.admin("root"), s.join("alice")
	s.do(request{Do: "POST /v1/users/" + alice.ID + "/disable", Token: alice.Access}).want(403, "insufficient_role")
	s.do(request{Do: "POST /v1/users/nobody/disable", Token: root.Access}).want(404, "not_found")
	if got := s.do(request{Do: "POST /v1/users/" + alice.ID + "/disable",
		Token: root.Access}).want(200, ""); got.JSON["disabled"] != true {
		t.Errorf("user %s", got.Text)
	}
	s.me(alice.Access).want(401, "token_revoked")
	s.refresh(alice.Refresh).want(401, "refresh_token_invalid")
	s.do(request{Do: "POST /v1/login", Body: object("username", "alice", "password", passwordOf("alice"))}).
		want(401, "invalid_credentials")
	s.do(request{Do: "POST /v1/users/" + alice.ID + "/enable", Token: root.Access}).want(200, "")
	s.me(alice.Access).want(401, "token_revoked")
	s.me(s.login("alice").Access).want(200, "")
	s.do(request{Do: "POST /v1/users/" + root.ID + "/disable", Token: root.Access}).want(409, "last_admin")
}
