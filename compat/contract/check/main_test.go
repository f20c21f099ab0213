package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRun_reportsEachCase(t *testing.T) {
	answer := `{"message": "Anyone can view this."}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/unprotected":
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(answer))
		case "/login":
			_, _ = w.Write([]byte(`{"token": "t"}`))
		}
	}))
	defer server.Close()
	var out strings.Builder
	if _, err := run(t.Context(), []string{"-system", "querytoken", "-url", server.URL + "/",
		"-var", "username=a", "-var", "password=b"}, &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "ok    anyone reads the unprotected page\n") {
		t.Errorf("printed:\n%s", out.String())
	}
	answer = "{}"
	passed, err := run(
		t.Context(),
		[]string{"-system", "querytoken", "-url", server.URL, "-var", "username=a", "-var", "password=b"},
		&out,
	)
	if err != nil || passed || !strings.Contains(out.String(), "FAIL  anyone reads the unprotected page (1.4)") {
		t.Errorf("passed=%t, err=%v, printed:\n%s", passed, err, out.String())
	}
}

func TestRun_saysWhatIsWrongWithItsFlags(t *testing.T) {
	for want, args := range map[string][]string{
		"there are:":    {"-system", "nothing"},
		"name=value":    {"-var", "x"},
		"no such file":  {"-system", "querytoken", "-secret-file", "/nowhere"},
		"flag provided": {"-sistem", "x"},
	} {
		if _, err := run(t.Context(), args, &strings.Builder{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
}
