package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

const canary = "CANARY-a-secret-that-no-log-may-hold"

// Bad input anywhere is answered with 4xx and its code: never 500, never a line of the log with a
// secret.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := serve(t, "--login-limit-account=0", "--login-limit-address=0", "--log-level=debug")
	root, alice := s.admin("root"), s.join("alice")
	routes := []struct {
		do, token string
		empty     int // what {} is answered with
	}{
		{"POST /v1/users", "", 422},
		{"POST /v1/login", "", 422},
		{"POST /v1/refresh", "", 422},
		{"POST /v1/logout", alice.Access, 0},
		{"POST /v1/reauthenticate", alice.Access, 422},
		{"PATCH /v1/users/" + alice.ID, alice.Access, 200},
		{"PUT /v1/users/" + alice.ID + "/roles", root.Access, 422},
	}
	bodies := []struct {
		name, body string
		status     int
		code       string
	}{
		{"not JSON", canary, 400, "malformed_request"},
		{"half of it", `{"password":"` + canary, 400, "malformed_request"},
		{"an array", `["` + canary + `"]`, 400, "malformed_request"},
		{"a string", `"` + canary + `"`, 400, "malformed_request"},
		{"null", `null`, 400, "malformed_request"},
		{"a duplicate member", `{"password":"a","password":"` + canary + `"}`, 400, "malformed_request"},
		{"a duplicate by an escape", `{"password":"a","\u0070assword":"` + canary + `"}`, 400, "malformed_request"},
		{"something behind", `{"password":"` + canary + `"}x`, 400, "malformed_request"},
		{"invalid UTF-8", "{\"password\":\"" + canary + "\xff\"}", 400, "malformed_request"},
		{"a lone surrogate", `{"password":"` + canary + `\ud800"}`, 400, "malformed_request"},
		{"a byte order mark", "\ufeff{\"password\":\"" + canary + "\"}", 400, "malformed_request"},
		{"a raw NUL", "{\"password\":\"" + canary + "\x00\"}", 400, "malformed_request"},
		{
			"depth 10,000",
			`{"password":` + strings.Repeat(`[`, 10_000) + strings.Repeat(`]`, 10_000) + `}`,
			400,
			"malformed_request",
		},
		{"10,000 members", `{` + manyMembers(5_000) + `"password":"` + canary + `"}`, 400, "malformed_request"},
		{"10 MB", `{"password":"` + canary + strings.Repeat("x", 10<<20) + `"}`, 413, "too_large"},
		{"an unknown member", `{"` + canary + `":1}`, 422, "validation_failed"},
		{
			"wrong types",
			`{"username":{"a":1},"password":["` + canary + `"],"refresh_token":true,"roles":7,"email":[]}`,
			422,
			"validation_failed",
		},
	}
	for _, route := range routes {
		for _, b := range bodies {
			got, err := s.try(request{Do: route.do, Token: route.token, Body: b.body})
			if err != nil {
				t.Errorf("%s, %s: %v", route.do, b.name, err)
				continue
			}
			if code, _ := got.JSON["code"].(string); got.Status != b.status || code != b.code {
				t.Errorf("%s, %s: answered %d %.300s, want %d %s", route.do, b.name, got.Status,
					got.Text, b.status, b.code)
			}
		}
		if got := s.do(request{Do: route.do, Token: route.token, Body: `{}`}); route.empty != 0 &&
			got.Status != route.empty {
			t.Errorf("%s {}: answered %d", route.do, got.Status)
			alice = s.login("alice")
		}
		if strings.HasSuffix(route.do, "logout") {
			alice = s.login("alice")
			for n := range routes {
				if routes[n].token != "" && routes[n].token != root.Access {
					routes[n].token = alice.Access
				}
			}
		}
	}
	s.do(request{Do: "POST /v1/login", Body: "username=alice",
		Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}).
		want(415, "unsupported_media_type")
	s.do(request{Do: "POST /v1/login", Body: object("username", "alice", "password", canary+"\x00\u2028\U0001f600")}).
		want(401, "invalid_credentials")
	s.me(canary).want(401, "token_invalid")
	s.do(request{Do: "GET /v1/me?token=" + canary, Token: alice.Access}).want(400, "malformed_request")
	s.do(request{Do: "GET /v1/me", Header: map[string]string{"Cookie": "session=" + canary,
		"Authorization": "Basic " + canary}}).
		want(401, "token_missing")
	for _, secret := range []string{canary, alice.Access, alice.Refresh, passwordOf("alice")} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log holds %.30s…", secret)
		}
	}
	if strings.Contains(s.log.String(), "status=500") {
		t.Error("something was answered with 500")
	}
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"m%d":1,`, i)
	}
	return b.String()
}

// What a user calls themselves cannot forge a line of the log.
func TestLog_linesCannotBeForged(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for _, path := range []string{"/v1/x%0Alevel=INFO%20msg=forged", "/v1/x%1B%5B31mred", "/v1/%E2%80%AE"} {
		s.do(request{Do: "GET " + path, Header: map[string]string{"User-Agent": "a\tlevel=INFO msg=forged"}}).
			want(404, "not_found")
	}
	for line := range strings.Lines(s.log.String()) {
		if strings.HasPrefix(line, "level=INFO msg=forged") || strings.ContainsAny(line, "\x1b\u202e") ||
			!strings.HasPrefix(line, "time=") {
			t.Errorf("line %q", line)
		}
	}
}

// raw sends bytes and returns the answer: its status, and the code of a problem document. Any other
// refusal is an error.
func (s *server) raw(text string) string {
	s.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		return "cut off"
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "cut off"
	}
	defer resp.Body.Close()
	if resp.StatusCode < 400 {
		return strconv.Itoa(resp.StatusCode)
	}
	var problem struct {
		Status    int    `json:"status"`
		Code      string `json:"code"`
		RequestID string `json:"request_id"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&problem); err != nil || problem.Status != resp.StatusCode ||
		problem.RequestID == "" || resp.Header.Get("Content-Type") != "application/problem+json" {
		s.t.Errorf("%.60q is answered %s, and %v, and its problem document %+v (%v)",
			text, resp.Status, resp.Header, problem, err)
	}
	return fmt.Sprint(resp.StatusCode, " ", problem.Code)
}

// A request with a length and in chunks is the last on its connection: a proxy may have seen its end
// elsewhere (RFC 9112 §6.1).
func TestSmuggling_endsTheConnection(t *testing.T) {
	t.Parallel()
	s := serve(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, "POST /v1/login HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"+
		"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"+
		"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answers, err := io.ReadAll(conn)
	if n := strings.Count(string(answers), "HTTP/1.1 "); n != 1 || err != nil ||
		!strings.HasPrefix(string(answers), "HTTP/1.1 422 ") {
		t.Errorf("%d answers (%v):\n%s", n, err, answers)
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	s := serve(t)
	token := s.join("alice").Access
	host := "Host: x\r\n"
	for name, c := range map[string]struct{ request, want string }{
		"two Authorization fields": {"GET /v1/me HTTP/1.1\r\n" + host + "Authorization: Bearer " +
			token + "\r\nAuthorization: Bearer " + token + "\r\n\r\n", "400 malformed_request"},
		"two spaces": {"GET /v1/me HTTP/1.1\r\n" + host + "Authorization: Bearer  " +
			token + "\r\n\r\n", "200"},
		"two tokens with a comma": {"GET /v1/me HTTP/1.1\r\n" + host + "Authorization: Bearer " +
			token + ", Bearer " + token + "\r\n\r\n", "401 token_invalid"},
		"a header of 10 MB": {"GET /v1/me HTTP/1.1\r\n" + host + "X: " + strings.Repeat("x",
			10<<20), "431 too_large"},
		"a header of 17 KiB": {"GET /v1/me HTTP/1.1\r\n" + host + "X: " + strings.Repeat("x", 17<<10) + "\r\n\r\n",
			"431 too_large"},
		"two lengths": {"POST /v1/login HTTP/1.1\r\n" + host +
			"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", "400 malformed_request"},
		"length and chunks": {"POST /v1/login HTTP/1.1\r\n" + host +
			"Content-Type: application/json\r\nContent-Length: 2\r\nTransfer-Encoding: " +
			"chunked\r\n\r\n0\r\n\r\n", "400 malformed_request"},
		"garbage":           {"\x00\x01\x02\r\n\r\n", "400 malformed_request"},
		"a version to come": {"GET /v1/me HTTP/3.0\r\n" + host + "\r\n", "505 malformed_request"},
		"an unknown encoding": {"POST /v1/login HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n",
			"501 malformed_request"},
		"no host":             {"GET /v1/me HTTP/1.1\r\n\r\n", "400 malformed_request"},
		"a folded field":      {"GET /v1/me HTTP/1.1\r\n" + host + "X: a\r\n b\r\n\r\n", "401 token_missing"},
		"a name with a blank": {"GET /v1/me HTTP/1.1\r\n" + host + "X : a\r\n\r\n", "400 malformed_request"},
	} {
		if got := s.raw(c.request); got != c.want && !(got == "cut off" && strings.Contains(name, "10 MB")) {
			t.Errorf("%s: answered %q, want %s", name, got, c.want)
		}
	}
	if resp, err := http.Get(s.URL + "/readyz"); err != nil || resp.StatusCode != 200 {
		t.Errorf("afterwards: %v %v", resp, err)
	}
}
