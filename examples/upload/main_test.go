package main

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/examples/internal/exampletest"
	"github.com/hallpass-go/hallpass/internal/attack"
	"github.com/hallpass-go/hallpass/jwk"
)

const secret = "a password of one's own"

func start(t *testing.T, args ...string) (p *exampletest.Program, file string) {
	t.Helper()
	t.Setenv("UPLOAD_PASSWORD", secret)
	file = filepath.Join(t.TempDir(), "upload.db")
	return exampletest.Start(t, run, append([]string{"-db", file}, args...)...), file
}

func TestUpload_keepsTheContract(t *testing.T) {
	p, _ := start(t)
	p.Walk(t, "upload", nil, map[string]string{"username": "admin", "password": secret})
}

// browser logs in with the form and keeps the cookie.
func browser(t *testing.T, p *exampletest.Program) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	answer, err := client.PostForm(p.URL+"/session", url.Values{"username": {"admin"}, "password": {secret}})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil || answer.Request.URL.Path != "/" || !strings.Contains(string(page), "inputFile") {
		t.Fatalf("after the login: %s %s, %v", answer.Request.URL, page, err)
	}
	return client
}

// send uploads a file with additional request headers.
func send(
	t *testing.T,
	client *http.Client,
	url, description string,
	size int,
	headers map[string]string,
) (int, string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	_ = form.WriteField("description", description)
	part, err := form.CreateFormFile("inputFile", "a.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(make([]byte, size))
	_ = form.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, &body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", form.FormDataContentType())
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestHole_openUpload(t *testing.T) {
	p, _ := start(t)
	for _, query := range []string{"", "?token=", "?token=abc"} {
		if status, answer := send(t, http.DefaultClient, p.URL+"/upload"+query, "x", 1,
			nil); status != http.StatusForbidden {
			t.Errorf("%s: %d %s", query, status, answer)
		}
	}
}

// TestBrowser_uploadsWithItsCookie, but other sites cannot make it do so.
func TestBrowser_uploadsWithItsCookie(t *testing.T) {
	p, _ := start(t)
	client := browser(t, p)
	if status, answer := send(t, client, p.URL+"/upload", "one", 1, nil); status != http.StatusOK ||
		answer != "file a.txt uploaded successfully" {
		t.Errorf("%d %s", status, answer)
	}
	for name, headers := range map[string]map[string]string{
		"fetch metadata": {"Sec-Fetch-Site": "cross-site"}, "origin": {"Origin": "https://evil.example"},
	} {
		if status, _ := send(t, client, p.URL+"/upload", name, 1, headers); status != http.StatusForbidden {
			t.Errorf("%s: %d", name, status)
		}
	}
	address, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	if cookies := client.Jar.Cookies(address); len(cookies) != 1 || cookies[0].Name != cookieName {
		t.Errorf("cookies: %v", cookies)
	}
}

func TestBrowser_wrongPasswordGetsNoCookie(t *testing.T) {
	p, _ := start(t)
	answer, err := http.PostForm(p.URL+"/session", url.Values{"username": {"admin"}, "password": {"password"}})
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden || len(answer.Cookies()) > 0 {
		t.Errorf("%d, cookies %v", answer.StatusCode, answer.Cookies())
	}
}

// TestBrowser_isToldToWait shows a page after too many wrong passwords, at either login.
func TestBrowser_isToldToWait(t *testing.T) {
	p, _ := start(t)
	wrong := url.Values{"username": {"admin"}, "password": {"password"}}
	for range 30 {
		answer, err := http.PostForm(p.URL+"/session", wrong)
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != http.StatusTooManyRequests {
			continue
		}
		says := strings.Contains(string(page), "Too many attempts")
		if answer.Header.Get("Retry-After") == "" || !says {
			t.Errorf("%v\n%s", answer.Header, page)
		}
		if status := basicLogin(t, p, "admin", secret); status != http.StatusTooManyRequests {
			t.Errorf("the other login: %d", status)
		}
		return
	}
	t.Error("never told")
}

func TestHole_noLimitOfSize(t *testing.T) {
	p, _ := start(t, "-max-file", "1000")
	client := browser(t, p)
	for size, want := range map[int]int{1000: http.StatusOK, 1001: http.StatusRequestEntityTooLarge,
		1 << 20: http.StatusRequestEntityTooLarge} {
		if status, answer := send(t, client, p.URL+"/upload", strings.Repeat("x", size%199+1), size,
			nil); status != want {
			t.Errorf("%d bytes: %d %s", size, status, answer)
		}
	}
}

func TestHole_anyPasswordLogin(t *testing.T) {
	p, _ := start(t)
	for _, with := range [][2]string{{"admin", "password"}, {"anybody", secret}, {"", ""}} {
		if status := basicLogin(t, p, with[0], with[1]); status != http.StatusForbidden {
			t.Errorf("%q: %d", with, status)
		}
	}
}

// basicLogin logs in with Basic credentials and returns the status.
func basicLogin(t *testing.T, p *exampletest.Program, user, password string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/login", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(user, password)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

func TestHole_tokenInTheLog(t *testing.T) {
	p, _ := start(t)
	browser(t, p)
	if strings.Contains(p.Output(), "eyJ") || strings.Contains(p.Output(), secret) {
		t.Errorf("it wrote %s", p.Output())
	}
}

func TestHole_forgedTokens(t *testing.T) {
	p, file := start(t)
	keys, err := jwk.OpenFile(file + ".keys.json")
	if err != nil {
		t.Fatal(err)
	}
	key, err := keys.SigningKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	target := attack.Target{Key: key, Issuer: "upload", Audience: "upload", Now: time.Now()}
	inQuery := func(token string) *http.Request {
		request, err := http.NewRequest(http.MethodGet, p.URL+"/?token="+url.QueryEscape(token), nil)
		if err != nil {
			t.Fatal(err)
		}
		return request
	}
	inCookie := func(token string) *http.Request {
		request, err := http.NewRequest(http.MethodGet, p.URL+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Cookie", cookieName+"="+token)
		return request
	}
	exampletest.RefusesForgeries(t, target, http.StatusForbidden, inQuery)
	exampletest.RefusesForgeries(t, target, http.StatusForbidden, inCookie)
}

// token logs in with Basic credentials and returns the token.
func token(t *testing.T, p *exampletest.Program) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/login", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("admin", secret)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var got struct{ Token string }
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil || got.Token == "" {
		t.Fatalf("%d, %v", answer.StatusCode, err)
	}
	return got.Token
}

// TestExpiry_isASetting of the token and of the cookie that contains it.
func TestExpiry_isASetting(t *testing.T) {
	p, _ := start(t, "-expiry", "2s")
	p.Expires(t, func() string { return token(t, p) }, func(token string) int {
		answer, err := http.Get(p.URL + "/?token=" + token)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}, http.StatusForbidden)
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	right := url.Values{"username": {"admin"}, "password": {secret}}
	answer, err := client.PostForm(p.URL+"/session", right)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if cookies := answer.Cookies(); len(cookies) != 1 || cookies[0].MaxAge != 2 {
		t.Errorf("cookies: %v", cookies)
	}
}

func TestExpiry_ofNothingIsRefused(t *testing.T) {
	exampletest.WantsAnExpiry(t, run, "-db", filepath.Join(t.TempDir(), "file"))
}

func TestJWKS_verifiesTokensElsewhere(t *testing.T) {
	p, _ := start(t)
	p.IsVerifiedElsewhere(t, "upload", token(t, p))
}
