package flask_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hallpass-go/hallpass/compat/flask"
)

func TestOptions(t *testing.T) {
	called := false
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		called = true
		w.WriteHeader(http.StatusTeapot)
	})
	mux := http.NewServeMux()
	for _, pattern := range []string{
		"GET /users", "POST /users", "PATCH /users/{id}", "DELETE /users/{id}", "GET /folder/",
		"/any", "OPTIONS /own", "GET /own",
	} {
		mux.Handle(pattern, handler)
	}
	for _, row := range []struct {
		method, path  string
		status        int
		allow         string
		handlerCalled bool
	}{
		{"OPTIONS", "/users", 200, "GET, HEAD, OPTIONS, POST", false},
		{"OPTIONS", "/users/7", 200, "DELETE, OPTIONS, PATCH", false},
		{"OPTIONS", "/folder/file", 200, "GET, HEAD, OPTIONS", false},
		{"OPTIONS", "/nowhere", 404, "", false},
		{"OPTIONS", "/any", 418, "", true},
		{"OPTIONS", "/own", 418, "", true},
		{"PUT", "/users", 405, "GET, HEAD, OPTIONS, POST", false},
		{"HEAD", "/users/7", 405, "DELETE, OPTIONS, PATCH", false},
		{"BREW", "/users", 405, "GET, HEAD, OPTIONS, POST", false},
		{"GET", "/nowhere", 404, "", false},
		{"GET", "/users", 418, "", true},
		{"HEAD", "/users", 418, "", true},
		{"OPTIONS", "/folder", 200, "GET, HEAD, OPTIONS", false}, // GET is redirected to /folder/
	} {
		called = false
		answer := httptest.NewRecorder()
		flask.Options(mux).ServeHTTP(answer, httptest.NewRequest(row.method, row.path, nil))
		allow := answer.Header().Get("Allow")
		if answer.Code != row.status || allow != row.allow || called != row.handlerCalled {
			t.Errorf("%s %s: %d, Allow %q, handler called %v",
				row.method, row.path, answer.Code, allow, called)
		}
	}
}

func TestAllow_withoutMethodsIsAny(t *testing.T) {
	answer := httptest.NewRecorder()
	flask.Allow(answer)
	const any = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
	if got := answer.Header().Get("Allow"); answer.Code != http.StatusOK || got != any {
		t.Errorf("%d, Allow %q", answer.Code, got)
	}
}
