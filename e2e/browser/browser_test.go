package browser

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// find returns what a test needs that is not Go's. If it is not there, it skips the test with the name
// of the package, or fails it if HALLPASS_TEST_REQUIRE lists that name.
func find(t *testing.T, name, path string, err error) string {
	t.Helper()
	if err == nil {
		return path
	}
	if slices.Contains(strings.Split(os.Getenv("HALLPASS_TEST_REQUIRE"), ","), name) {
		t.Fatal(name + " is required and not there")
	}
	t.Skip(name + " is not there")
	return ""
}

// page is a server of pages: an empty one, and the files of jose.
func page(t *testing.T) *httptest.Server {
	t.Helper()
	jose := filepath.Join(os.Getenv("HALLPASS_TEST_NPM"), "node_modules", "jose", "dist", "browser")
	_, err := os.Stat(jose)
	jose = find(t, "npm-jose", jose, err)
	mux := http.NewServeMux()
	mux.Handle("GET /jose/", http.StripPrefix("/jose/", http.FileServer(http.Dir(jose))))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!doctype html><title>a page</title>")
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// serve starts hallpass and returns its port.
func serve(t *testing.T, args ...string) (port string) {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "hallpass")
	build := exec.Command("go", "build", "-C", "../..", "-o", binary, "./cmd/hallpass")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(binary, append([]string{
		"serve", "--addr", "localhost:0", "--data", filepath.Join(dir, "data"),
	}, args...)...)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if _, after, ready := strings.Cut(lines.Text(), "msg=ready url=http://"); ready {
			address, _, _ := strings.Cut(after, " ")
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for lines.Scan() {
				}
			}()
			return port
		}
	}
	t.Fatal("hallpass did not start")
	return ""
}

// tab opens a page in a browser of its own.
func tab(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(find(t, "chromium", path, err)),
		chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()))
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// run opens a page and runs a script in it, which returns text.
func run(t *testing.T, ctx context.Context, url, script string) string {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	got, err := chromedp.Run(ctx, chromedp.Evaluate[string]("(async () => {"+script+"})()", chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%v in\n%s", err, script)
	}
	return got
}

const helpers = `
	const post = (path, body, more = {}) => fetch(api + path, {
		method: "POST", credentials: "include", ...more,
		headers: {...(body ? {"Content-Type": "application/json"} : {}), ...more.headers},
		body: body && JSON.stringify(body),
	});
	const cookie = {headers: {"Session-Mode": "cookie"}};
	const alice = {username: "alice", password: "correct horse battery"};
	const tried = async (f) => { try { return (await f()).status } catch (e) { return "blocked" } };
`

// A page of another origin, which is allowed, logs in and refreshes in both modes, and verifies tokens
// with the published keys. One of another site does neither, and has no use of the cookie.
func TestPages(t *testing.T) {
	pages := page(t)
	_, pagePort, err := net.SplitHostPort(strings.TrimPrefix(pages.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := "http://localhost:"+pagePort, "http://127.0.0.1:"+pagePort
	ctx := tab(t)
	api := "http://localhost:" + serve(t, "--cors-origin", ours, "--browser-cookies")
	begin := "const api = " + fmt.Sprintf("%q", api) + ";" + helpers

	if got := run(t, ctx, ours, begin+`
		const {createRemoteJWKSet, jwtVerify} = await import("/jose/index.js");
		const keys = createRemoteJWKSet(new URL(api + "/.well-known/jwks.json"));
		const log = [(await post("/v1/users", alice)).status];
		const tokens = await (await post("/v1/login", alice)).json();
		const {payload} = await jwtVerify(tokens.access_token, keys, {issuer: api, audience: api, typ: "at+jwt"});
		log.push(payload.sid === tokens.session_id);
		log.push((await post("/v1/refresh", {refresh_token: tokens.refresh_token})).status);
		const me = await fetch(api + "/v1/me", {headers: {Authorization: "Bearer " + tokens.access_token}});
		log.push((await me.json()).user.username, me.headers.get("X-Request-Id") !== null);
		const missing = await fetch(api + "/v1/me");
		log.push(missing.status, missing.headers.get("WWW-Authenticate").startsWith("Bearer"));
		return log.join(" ");`); got != "201 true 200 alice true 401 true" {
		t.Errorf("with the refresh token in the body: %s", got)
	}

	if got := run(t, ctx, ours, begin+`
		const login = await (await post("/v1/login", alice, cookie)).json();
		const [one, two] = await Promise.all([post("/v1/refresh", null, cookie), post("/v1/refresh", null, cookie)]);
		return ["refresh_token" in login, one.status, two.status, "refresh_token" in await one.json(),
			document.cookie === ""].join(" ");`); got != "false 200 200 false true" {
		t.Errorf("with the refresh token in the cookie: %s", got)
	}

	// The same browser still has the cookie.
	if got := run(t, ctx, theirs, begin+`
		const keys = await (await fetch(api + "/.well-known/jwks.json")).json();
		return [keys.keys.length, await tried(() => post("/v1/refresh", null, cookie)),
			await tried(() => post("/v1/refresh", null)),
			await tried(() => post("/v1/refresh", null, {mode: "no-cors"})),
			await tried(() => post("/v1/login", alice)), await tried(() => fetch(api + "/v1/me"))].join(" ");`,
	); got != "1 blocked blocked 0 blocked blocked" {
		t.Errorf("a page of another site: %s", got)
	}

	if got := run(t, ctx, ours, begin+`
		const still = (await post("/v1/refresh", null, cookie)).status;
		const out = (await post("/v1/logout", null, cookie)).status;
		return [still, out, (await post("/v1/refresh", null, cookie)).status].join(" ");`); got != "200 204 401" {
		t.Errorf("a new page, and its logout: %s", got)
	}
}
