// Package traffic records the requests and answers of tests, so that the module e2e/conformance can
// compare them with the OpenAPI document of the server that answered. Only tests import it.
package traffic

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
)

// Variable is the environment variable with the folder to record in. Unset, nothing is recorded.
const Variable = "HALLPASS_TEST_TRAFFIC"

// Exchange is a request and its answer, a line of a file *.jsonl in the folder.
type Exchange struct {
	Document   string // the file in the folder that has the document of the server
	Method     string
	Target     string // path and query
	Fields     http.Header
	Body       []byte
	Status     int
	Answer     http.Header
	AnswerBody []byte
}

// Recorder writes exchanges.
type Recorder struct {
	folder string

	mu        sync.Mutex
	file      *os.File          // guarded by mu; made at the first exchange
	documents map[string]string // guarded by mu: server → Exchange.Document
}

// FromEnvironment returns the recorder of this process, or nil, which records nothing.
var FromEnvironment = sync.OnceValue(func() *Recorder {
	folder := os.Getenv(Variable)
	if folder == "" {
		return nil
	}
	return &Recorder{folder: folder, documents: map[string]string{}}
})

// Handler returns a handler that passes requests to h, and records them.
func (rec *Recorder) Handler(h http.Handler) http.Handler {
	if rec == nil {
		return h
	}
	document := sync.OnceValue(func() string {
		w := &tee{ResponseWriter: discard{http.Header{}}, status: http.StatusOK}
		r, err := http.NewRequest(http.MethodGet, "/openapi.json", nil)
		if err != nil {
			panic(err) // the path is right
		}
		h.ServeHTTP(w, r)
		return rec.keep(w.status, w.answer.Bytes())
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := Exchange{Method: r.Method, Target: r.URL.RequestURI(), Fields: r.Header.Clone(), Document: document()}
		body := &bytes.Buffer{}
		if r.Body != nil {
			r.Body = readCloser{io.TeeReader(r.Body, body), r.Body}
		}
		out := &tee{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(out, r)
		x.Body, x.Status, x.Answer, x.AnswerBody = body.Bytes(), out.status, w.Header().Clone(), out.answer.Bytes()
		rec.write(x)
	})
}

// Transport returns a transport that passes requests to inner, and records them.
func (rec *Recorder) Transport(inner http.RoundTripper) http.RoundTripper {
	if rec == nil {
		return inner
	}
	return transport{rec, inner}
}

// Started tells that another server listens at a host now.
func (rec *Recorder) Started(host string) {
	if rec != nil {
		rec.mu.Lock()
		defer rec.mu.Unlock()
		delete(rec.documents, host)
	}
}

type transport struct {
	rec   *Recorder
	inner http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	x := Exchange{Method: r.Method, Target: r.URL.RequestURI(), Fields: r.Header.Clone()}
	if r.GetBody != nil {
		body, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		if x.Body, err = io.ReadAll(body); err != nil {
			return nil, err
		}
	}
	resp, err := t.inner.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	x.Status, x.Answer = resp.StatusCode, resp.Header.Clone()
	x.AnswerBody, err = io.ReadAll(resp.Body)
	rest := io.Reader(bytes.NewReader(x.AnswerBody))
	if err != nil {
		resp.Body = readCloser{io.MultiReader(rest, failing{err}), resp.Body}
		return resp, nil // half an answer is for the test to judge
	}
	resp.Body = readCloser{rest, resp.Body}
	if x.Document = t.document(r); x.Document != "" {
		t.rec.write(x)
	}
	return resp, nil
}

// document returns the document of the server that has a request, or "" if it cannot be asked.
func (t transport) document(r *http.Request) string {
	t.rec.mu.Lock()
	known := t.rec.documents[r.URL.Host]
	t.rec.mu.Unlock()
	if known != "" {
		return known
	}
	resp, err := http.Get(r.URL.Scheme + "://" + r.URL.Host + "/openapi.json")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return ""
	}
	name := t.rec.keep(resp.StatusCode, text)
	t.rec.mu.Lock()
	defer t.rec.mu.Unlock()
	t.rec.documents[r.URL.Host] = name
	return name
}

// keep stores a document and returns its name.
func (rec *Recorder) keep(status int, text []byte) string {
	if status != http.StatusOK {
		panic(fmt.Sprintf("traffic: /openapi.json answers %d", status))
	}
	name := fmt.Sprintf("document-%x.json", sha256.Sum256(text))
	if err := os.WriteFile(filepath.Join(rec.folder, name), text, 0o600); err != nil {
		panic(err) // what is not recorded is not checked
	}
	return name
}

func (rec *Recorder) write(x Exchange) {
	line, err := json.Marshal(x)
	if err != nil {
		panic(err) // it is text and bytes
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if rec.file == nil {
		if rec.file, err = os.CreateTemp(rec.folder, "traffic-*.jsonl"); err != nil {
			panic(err) // what is not recorded is not checked
		}
	}
	if _, err := rec.file.Write(append(line, '\n')); err != nil {
		panic(err)
	}
}

// tee keeps what is written.
type tee struct {
	http.ResponseWriter
	status int
	wrote  bool
	answer bytes.Buffer
}

// WriteHeader implements [http.ResponseWriter].
func (w *tee) WriteHeader(status int) {
	if !w.wrote {
		w.status, w.wrote = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *tee) Write(b []byte) (int, error) {
	w.wrote = true
	w.answer.Write(b)
	return w.ResponseWriter.Write(b)
}

// Unwrap lets [http.ResponseController] reach the connection.
func (w *tee) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

type readCloser struct {
	io.Reader
	io.Closer
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
