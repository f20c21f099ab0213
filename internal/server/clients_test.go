package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// The life of a client, as an administrator has it in hand.
func TestClients_fromMakingToDeleting(t *testing.T) {
	f := newFixture(t, options{})
	root := f.admin("root")
	made := f.do("POST /v1/clients", `{"name":"billing","scopes":["write","read"]}`, root.bearer()).want(201, "")
	c := machineClient{made.str("id"), made.str("client_secret")}
	path := "/v1/clients/" + c.ID
	if made.Header.Get("Location") != path || made.Header.Get("Cache-Control") != "no-store" ||
		!strings.Contains(made.Body, `"scopes":["read","write"]`) || c.secret == "" {
		t.Errorf("made %v %s", made.Header, made.Body)
	}
	f.do("POST /v1/clients", `{"name":"billing"}`, root.bearer()).want(http.StatusConflict, "client_name_taken")
	for _, shown := range []answer{
		f.do("GET "+path, "", root.bearer()).want(200, ""), f.do("GET /v1/clients", "", root.bearer()).want(200, ""),
		f.do("GET /v1/audit", "", root.bearer()).want(200, ""),
	} {
		if !strings.Contains(shown.Body, c.ID) || strings.Contains(shown.Body, c.secret) {
			t.Errorf("shown %s", shown.Body)
		}
	}
	token := "Authorization: Bearer " + f.ofOwn(c).str("access_token")
	rotated := f.do("POST "+path+"/rotate", `{"overlap_seconds":3600}`, root.bearer()).want(200, "")
	next := machineClient{c.ID, rotated.str("client_secret")}
	if rotated.Header.Get("Cache-Control") != "no-store" || next.secret == c.secret {
		t.Errorf("rotated %v %s", rotated.Header, rotated.Body)
	}
	f.ofOwn(c).want(200, "")
	f.do("GET /v1/verify", "", token).want(http.StatusNoContent, "")
	f.clock.Advance(time.Hour)
	root = f.login("root")
	f.ofOwn(c).wantOAuth(http.StatusUnauthorized, "invalid_client")
	for _, end := range []string{"POST " + path + "/rotate", "POST " + path + "/disable", "DELETE " + path} {
		if strings.HasPrefix(end, "DELETE") {
			f.do("POST "+path+"/enable", "", root.bearer()).want(200, "")
		}
		token = "Authorization: Bearer " + f.ofOwn(next).want(200, "").str("access_token")
		f.do("GET /v1/verify", "", token).want(http.StatusNoContent, "")
		a := f.do(end, "", root.bearer())
		f.do("GET /v1/verify", "", token).want(http.StatusUnauthorized, "token_revoked")
		f.ofOwn(next).wantOAuth(http.StatusUnauthorized, "invalid_client")
		if secret := a.str("client_secret"); secret != "" {
			next.secret = secret
		}
	}
	if a := f.do("GET /v1/clients", "", root.bearer()); !strings.Contains(a.Body, `"items":[]`) {
		t.Errorf("listed %s", a.Body)
	}
	if strings.Contains(f.log.String(), "hpcs_") {
		t.Error("the log has a secret")
	}
}

func TestClients_refuseWhatIsWrong(t *testing.T) {
	f := newFixture(t, options{})
	root, c := f.admin("root"), f.machine("billing")
	for _, request := range []string{
		"GET /v1/clients/x", "DELETE /v1/clients/x", "POST /v1/clients/x/rotate", "POST /v1/clients/x/disable",
		"POST /v1/clients/x/enable", "GET /v1/clients/billing",
	} {
		f.do(request, "", root.bearer()).want(http.StatusNotFound, "not_found")
	}
	for _, body := range []string{
		`{}`, `{"name":""}`, `{"name":"A"}`, `{"name":"x","scopes":["a b"]}`, `{"name":"x","scopes":"a"}`,
		`{"name":"x","client_secret":"mine"}`, `{"name":"x","id":"mine"}`,
		`{"name":"x","scopes":["a",""]}`,
	} {
		f.do("POST /v1/clients", body, root.bearer()).want(http.StatusUnprocessableEntity, "validation_failed")
	}
	rotate := "POST /v1/clients/" + c.ID + "/rotate"
	for _, overlap := range []string{"-1", "2592001", "9223372036854775807", "-9223372036854775808", `"1h"`, "1.5"} {
		f.do(rotate, `{"overlap_seconds":`+overlap+`}`, root.bearer()).
			want(http.StatusUnprocessableEntity, "validation_failed")
	}
	f.ofOwn(c).want(http.StatusOK, "") // nothing of that has rotated it
}

// While the store is away a client is told to come again.
func TestToken_whileTheStoreIsAway(t *testing.T) {
	f := newFixture(t, options{})
	c := f.machine("billing")
	if err := f.db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/token", "/v1/introspect", "/v1/revoke"} {
		a := f.form(path, []string{c.basic()}, "grant_type", "client_credentials", "token", "x").
			wantOAuth(http.StatusServiceUnavailable, "temporarily_unavailable")
		if a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: fields %v", path, a.Header)
		}
	}
}

// Whatever is sent as credentials is refused in the form of the standard, and nothing else happens.
func TestToken_garbageAsCredentials(t *testing.T) {
	f := newFixture(t, options{})
	c := f.machine("billing")
	long := strings.Repeat("a", 8000)
	for _, id := range []string{
		"", "\x00", "' OR 1=1 --", "client-%00", long, "client-" + long, "ä", "\xff\xfe", c.ID + "\n",
		strings.ToUpper(c.ID), "%ff", c.ID + "%00",
	} {
		for _, secret := range []string{"x", c.secret} {
			f.ask(basicOf(id, secret), "grant_type", "client_credentials").wantOAuth(401, "invalid_client")
			f.ask(nil, "grant_type", "client_credentials", "client_id", id, "client_secret", secret).
				wantOAuth(401, "invalid_client")
		}
	}
	for _, secret := range []string{c.secret + "x", c.secret[1:], strings.ToUpper(c.secret), c.secret + "%00", long} {
		f.ask(basicOf(c.ID, secret), "grant_type", "client_credentials").wantOAuth(401, "invalid_client")
	}
	f.ofOwn(c).want(http.StatusOK, "")
}
