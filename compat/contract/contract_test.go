package contract_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/hallpass-go/hallpass/compat/contract"
	"github.com/hallpass-go/hallpass/jwk"
)

// echo starts a server that answers each request with its contents.
func echo(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		user, password, _ := r.BasicAuth()
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "s1"})
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "/", http.StatusFound)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{
			"path": r.URL.RequestURI(), "body": string(body), "type": r.Header.Get("Content-Type"),
			"auth": r.Header.Get("Authorization"),
			"user": user + ":" + password, "list": []int{1, 2}, "id": 7,
		})
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// run runs one case and returns its result.
func run(t *testing.T, o contract.Options, steps string) error {
	t.Helper()
	system, err := contract.Parse(
		[]byte(`{"system":"s","about":"a","setup":[],"cases":[{"name":"c","seed":"0","steps":` + steps + `}]}`),
	)
	if err != nil {
		t.Fatal(err)
	}
	o.URL = echo(t)
	results, err := system.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return results[0].Err
}

const get = `"request":{"method":"GET","path":"/a?b=c"}`

func TestRun_passesWhatIsAsWanted(t *testing.T) {
	for name, steps := range map[string]string{
		"status": `[{` + get + `,"want":{"status":200}}]`,
		"headers": `[{` + get +
			`,"want":{"status":200,"headers":{"Content-Type":"application/json",` +
			`"Set-Cookie":"session=${*}","Location":"${none}"}}}]`,
		"redirect": `[{"request":{"method":"GET","path":"/redirect"},"want":{"status":302,` +
			`"headers":{"Location":"/"}}}]`,
		"bytes": `[{` + get +
			`,"want":{"status":200,"body":"{\"auth\":\"\",\"body\":\"\",\"id\":7,\"list\":[1,2],` +
			`\"path\":\"/a?b=c\",\"type\":\"\",\"user\":\":\"}\n"}}]`,
		"JSON": `[{` + get +
			`,"want":{"status":200,"json":{"path":"/a?b=c","body":"${*}","type":"${*}",` +
			`"auth":"${*}","user":"${*}","list":[1,"${*}"],"id":7}}}]`,
		"saved text": `[{` + get +
			`,"want":{"status":200},"save":{"p":"/path"}},{"request":{"method":"GET",` +
			`"path":"${p}"},"want":{"status":200,"body":"${*}/a?b=c${*}"}}]`,
		"saved number": `[{` + get + `,"want":{"status":200},
			"save":{"id":"/id","second":"/list/1","s":"cookie session","all":"body","ct":"header Content-Type"}},
			{"request":{"method":"POST","path":"/",
				"json":{"id":"${id}","n":"${second}","s":"<${s}>","ct":"${ct}"}},
			 "want":{"status":200,
				"body":"${*}{\\\"ct\\\":\\\"application/json\\\",\\\"id\\\":7,\\\"n\\\":2,${*}s1${*}"}}]`,
		"Basic": `[{"request":{"method":"GET","path":"/","basic":{"user":"${user}",` +
			`"password":"p"}},"want":{"status":200,"body":"${*}ann:p${*}"}}]`,
		"original": `[{` + get + `,"want":{"status":200},"original":{"status":500,"unsafe":"it falls over"}}]`,
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(t, contract.Options{Variables: map[string]string{"user": "ann"}}, steps); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRun_failsWhatIsNot ensures that the runner does not pass everything.
func TestRun_failsWhatIsNot(t *testing.T) {
	for name, steps := range map[string]string{
		"status":          `[{` + get + `,"want":{"status":201}}]`,
		"header":          `[{` + get + `,"want":{"status":200,"headers":{"Content-Type":"text/html"}}}]`,
		"missing header":  `[{` + get + `,"want":{"status":200,"headers":{"Location":"${*}"}}}]`,
		"unwanted header": `[{` + get + `,"want":{"status":200,"headers":{"Set-Cookie":"${none}"}}}]`,
		"bytes":           `[{` + get + `,"want":{"status":200,"body":"{}"}}]`,
		"bytes and more":  `[{` + get + `,"want":{"status":200,"body":"{"}}]`,
		"a member less":   `[{` + get + `,"want":{"status":200,"json":{"path":"/a?b=c"}}}]`,
		"another value": `[{` + get +
			`,"want":{"status":200,"json":{"path":"/","body":"${*}","type":"${*}","auth":"${*}",` +
			`"user":"${*}","list":"${*}","id":7}}}]`,
		"a text for a number": `[{` + get + `,"want":{"status":200,"json":{"path":"${*}","body":"${*}",
			"type":"${*}","auth":"${*}","user":"${*}","list":"${*}","id":"7"}}}]`,
		"a longer list": `[{` + get +
			`,"want":{"status":200,"json":{"path":"${*}","body":"${*}","type":"${*}",` +
			`"auth":"${*}","user":"${*}","list":[1],"id":7}}}]`,
		"nothing to save": `[{` + get + `,"want":{"status":200},"save":{"p":"/nowhere"}}]`,
		"no such cookie":  `[{` + get + `,"want":{"status":200},"save":{"p":"cookie other"}}]`,
		"unknown name":    `[{"request":{"method":"GET","path":"${nobody}"},"want":{"status":200}}]`,
		"an original's":   `[{` + get + `,"want":{"status":500},"original":{"status":200}}]`,
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(t, contract.Options{}, steps); err == nil {
				t.Error("it passed")
			}
		})
	}
}

func TestRun_originalMayAnswerOtherwise(t *testing.T) {
	steps := `[{` + get + `,"want":{"status":404},"original":{"status":200,"unsafe":"anybody may"}}]`
	if err := run(t, contract.Options{Original: true}, steps); err != nil {
		t.Error(err)
	}
}

// TestRun_repeats checks that a request is repeated until the answer is as expected, but not too
// often.
func TestRun_repeats(t *testing.T) {
	for repeat, want := range map[int]bool{0: false, 2: false, 3: true, 9: true} {
		sent := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if sent++; sent >= 3 {
				w.WriteHeader(http.StatusTooManyRequests)
			}
		}))
		t.Cleanup(server.Close)
		const text = `{"system":"s","about":"a","setup":[],"cases":[{"name":"c","seed":"0","steps":[
			{"request":{"method":"GET","path":"/"},"want":{"status":429},"repeat":%d}]}]}`
		system, err := contract.Parse(fmt.Appendf(nil, text, repeat))
		if err != nil {
			t.Fatal(err)
		}
		results, err := system.Run(t.Context(), contract.Options{URL: server.URL})
		if err != nil {
			t.Fatal(err)
		}
		if passed := results[0].Err == nil; passed != want || sent != min(max(repeat, 1), 3) {
			t.Errorf("repeat %d: passed %v after %d requests", repeat, passed, sent)
		}
	}
}

func TestRun_mintsTokens(t *testing.T) {
	key, err := jwk.GenerateSecret(jwk.HS256)
	if err != nil {
		t.Fatal(err)
	}
	mint := func(key string) string {
		return fmt.Sprintf(
			`[{"mint":{"as":"t","header":{"alg":"HS256"},"claims":{"exp":"${now-11}"},"key":%q}},
			{"request":{"method":"GET","path":"/","headers":{"Authorization":"JWT ${t}"}},
				"want":{"status":200},"save":{"t":"/auth"}},
			{"request":{"method":"GET","path":"/","headers":{"Authorization":"${t}"}},
				"want":{"status":200,"body":"${*}JWT %s.%s.${*}"}}]`,
			key,
			base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256"}`)),
			strings.TrimRight(base64.RawURLEncoding.EncodeToString([]byte(`{"exp":1`)), "=")[:8]+"${*}",
		)
	}
	for _, with := range []string{"", "other"} {
		if err := run(t, contract.Options{Key: key}, mint(with)); err != nil {
			t.Errorf("key %q: %v", with, err)
		}
	}
	if err := run(t, contract.Options{}, mint("")); !errors.Is(err, contract.ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
	if err := run(t, contract.Options{Key: key}, mint("nobody's")); err == nil {
		t.Error("a key that does not exist signed")
	}
}

func TestParse_refusesStepsThatDoNothing(t *testing.T) {
	for _, step := range []string{`{}`, `{` + get + `}`, `{"want":{"status":200}}`,
		`{` + get + `,"wnat":{"status":200}}`} {
		if _, err := contract.Parse([]byte(`{"system":"s","about":"a","setup":[` + step +
			`],"cases":[]}`)); err == nil {
			t.Errorf("%s was taken", step)
		}
	}
}

// TestLoad_everySystem checks that every system loads and says where each case comes from.
func TestLoad_everySystem(t *testing.T) {
	for _, name := range contract.Systems() {
		system, err := contract.Load(name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if system.Name != name || system.About == "" || len(system.Cases) == 0 {
			t.Errorf("%s: name, about or cases are missing", name)
		}
		names := map[string]bool{}
		for _, c := range system.Cases {
			if c.Seed == "" || len(c.Steps) == 0 || names[c.Name] {
				t.Errorf("%s: case %q has no seed, no steps, or a name that is another's", name, c.Name)
			}
			names[c.Name] = true
		}
	}
	if _, err := contract.Load("nothing"); err == nil || !strings.Contains(err.Error(), "querytoken") {
		t.Errorf("the error does not say which systems there are: %v", err)
	}
}

// TestCases_differencesAreDocumented checks that the guide lists every answer in which a
// replacement differs.
func TestCases_differencesAreDocumented(t *testing.T) {
	document, err := os.ReadFile("../../docs/from-flask.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for _, name := range contract.Systems() {
		system, err := contract.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range append(system.Cases, contract.Case{Name: "setup", Steps: system.Setup}) {
			for _, step := range c.Steps {
				if step.Original != nil {
					rows[fmt.Sprintf("| %s | %s | %d: %s | %d |", name, c.Name,
						step.Original.Status, step.Original.Unsafe, step.Want.Status)] = true
				}
			}
		}
	}
	_, table, _ := strings.Cut(string(document), "| system | case | the original | here |\n|---|---|---|---|\n")
	for row := range strings.Lines(table) {
		if row = strings.TrimSpace(row); !rows[row] {
			t.Errorf("the document has a row that no case has: %s", row)
		}
		delete(rows, row)
	}
	for row := range rows {
		t.Errorf("the document lacks the row\n%s", row)
	}
}
