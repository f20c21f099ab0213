package hallpass

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/hallpass-go/hallpass/internal/jose"
	"github.com/hallpass-go/hallpass/internal/query"
)

// Route is one route of an API as a value: which requests it takes, who may send them, and how it
// answers. [Auth.Routes] returns those of this package; [Verifier.Handler] makes an [http.Handler]
// of one. Most programs need neither: [Auth.Mount] and [Verifier.Func] are enough.
type Route[T any] struct {
	// Pattern is the method and the path, as [http.ServeMux] takes them: "GET /posts/{id}".
	Pattern string
	// Parameters are the query parameters that the route takes. A request with any other is
	// refused, and so is one that repeats a parameter, unless its name ends in a star here:
	// "role*".
	Parameters []string
	// Public lets everybody in. Otherwise a request needs a valid token.
	Public bool
	// Rules decide who may, among authenticated callers.
	Rules []Rule
	// Around surrounds Serve and the writing of its answer, as a response cache does. All checks come
	// before it, for each request, and [IdentityFrom] finds the identity there. Defaults to nothing.
	Around func(http.Handler) http.Handler
	// Serve answers a request. If it returns an [Error], the [Profile] writes that; any other error
	// becomes [ErrInternal].
	Serve func(Request[T]) (Answer, error)
}

// Request is a request that has passed the checks of its [Route].
type Request[T any] struct {
	*http.Request
	// Identity is who sent it. It is empty on a public route.
	Identity Identity[T]
	// Query has the parameters that the route takes.
	Query url.Values

	w http.ResponseWriter
}

// ReadJSON reads the body: see the function [ReadJSON].
func (r Request[T]) ReadJSON(v any) error { return ReadJSON(r.w, r.Request, v) }

// ReadForm reads the body, a form (application/x-www-form-urlencoded) of at most 64 KiB.
func (r Request[T]) ReadForm() (url.Values, error) { return readForm(r.w, r.Request) }

// Answer is the answer of a [Route]. A body is written as JSON, except [Tokens], which the
// [Profile] writes with its own status, and [Raw]. By default the client may keep what a GET
// answers, if it asks each time whether that is still current (ETag, RFC 9110 §13.1.2). Other
// answers may not be stored.
type Answer struct {
	// Status defaults to 200, or to 204 without a body.
	Status int
	// Header holds further fields. It may be nil.
	Header http.Header
	// Body is written as JSON; nil for none.
	Body any
}

// Raw is a body that is written unchanged.
type Raw struct {
	ContentType string
	Text        []byte
}

// Handler makes a handler of a route. It authenticates the caller, checks the query parameters,
// applies the rules, and writes the answer. The method is left to the mux. It panics if the route
// has no Serve, or is Public and has Rules: nobody is identified there.
func (v *Verifier[T]) Handler(route Route[T]) http.Handler {
	if route.Serve == nil || route.Public && len(route.Rules) > 0 {
		panic("hallpass: route " + route.Pattern + " has no Serve, or is Public and has Rules")
	}
	parameters := slices.Clone(route.Parameters)
	for _, source := range v.sources {
		if source.query != "" {
			parameters = append(parameters, source.query+"*") // two are for the source to refuse
		}
	}
	answer := func(request Request[T], r *http.Request) {
		answer, err := route.Serve(request)
		if err != nil {
			v.refuse(request.w, r, request.Identity, err)
			return
		}
		v.write(request.w, r, answer)
	}
	var around http.Handler
	if route.Around != nil {
		around = route.Around(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			request, _ := r.Context().Value(checkedKey{}).(Request[T])
			request.Request, request.w = r, w
			answer(request, r)
		}))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := Request[T]{Request: r, w: w}
		if err := v.check(route, &request, parameters); err != nil {
			v.refuse(w, r, request.Identity, err)
			return
		}
		if around != nil {
			ctx := r.Context()
			if !route.Public {
				ctx = withIdentity(ctx, request.Identity)
			}
			around.ServeHTTP(w, r.WithContext(context.WithValue(ctx, checkedKey{}, request)))
			return
		}
		answer(request, r)
	})
}

type checkedKey struct{}

// check authenticates the caller, reads the query and applies the rules.
func (v *Verifier[T]) check(route Route[T], r *Request[T], parameters []string) (err error) {
	if !route.Public {
		if r.Identity, err = v.identify(r.Request, nil); err != nil {
			return err
		}
	}
	if r.Query, err = query.Parse(r.URL.RawQuery, parameters...); err != nil {
		return ErrMalformedRequest.WithDetail(query.Detail(err))
	}
	if len(route.Rules) > 0 {
		return v.enforce(r.Request, r.Identity, route.Rules)
	}
	return nil
}

// write writes an answer that is not a refusal.
func (v *Verifier[T]) write(w http.ResponseWriter, r *http.Request, a Answer) {
	h := w.Header()
	for name, values := range a.Header {
		h[name] = values
	}
	if tokens, ok := a.Body.(Tokens); ok {
		v.profile.WriteTokens(w, r, tokens)
		return
	}
	text, contentType, err := encode(a.Body)
	if err != nil {
		v.refuse(w, r, Identity[T]{}, err)
		return
	}
	status := a.Status
	if status == 0 && a.Body == nil {
		status = http.StatusNoContent
	}
	status = defaultTo(status, http.StatusOK)
	if status < http.StatusOK || status > 599 {
		v.refuse(w, r, Identity[T]{}, fmt.Errorf("the route answers with the status %d", status))
		return
	}
	mayKeep := !slices.Equal(h["Cache-Control"], noStore)
	if status == http.StatusOK && isGet(r) && mayKeep && v.notModified(h, r, text) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	writeBody(w, status, contentType, text)
}

// notModified sets the fields for conditional requests, and reports whether the client already has
// this text.
func (v *Verifier[T]) notModified(h http.Header, r *http.Request, text []byte) bool {
	if h["Cache-Control"] == nil {
		h["Cache-Control"] = privateNoCache
		if v.vary != "" {
			h.Set("Vary", v.vary)
		}
	}
	if h.Get("ETag") == "" {
		sum := sha256.Sum256(text)
		h.Set("ETag", `"`+jose.EncodeBase64(sum[:16])+`"`)
	}
	return matchesETag(r.Header.Values("If-None-Match"), h.Get("ETag"))
}

// Values of header fields that answers share. They are never changed.
var (
	noStore        = []string{"no-store"}
	noSniff        = []string{"nosniff"}
	privateNoCache = []string{"private, no-cache"}
)

// writeBody writes a body that must not be stored, unless the header says otherwise.
func writeBody(w http.ResponseWriter, status int, contentType string, text []byte) {
	h := w.Header()
	if h["Cache-Control"] == nil {
		h["Cache-Control"] = noStore
	}
	if contentType != "" {
		h.Set("Content-Type", contentType)
		h["X-Content-Type-Options"] = noSniff
		h.Set("Content-Length", strconv.Itoa(len(text)))
	}
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client is gone; there is nobody to tell
}

// encode returns the bytes of a body and their type.
func encode(body any) (text []byte, contentType string, err error) {
	switch body := body.(type) {
	case nil:
		return nil, "", nil
	case Raw:
		return body.Text, body.ContentType, nil
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		return nil, "", err
	}
	return b.Bytes(), "application/json", nil
}

func isGet(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// matchesETag reports whether a list of entity tags holds one, by weak comparison (RFC 9110
// §8.8.3.2).
func matchesETag(fields []string, etag string) bool {
	for _, field := range fields {
		for tag := range strings.SplitSeq(field, ",") {
			tag = strings.TrimSpace(tag)
			if tag == "*" || strings.TrimPrefix(tag, "W/") == etag {
				return true
			}
		}
	}
	return false
}

// readForm reads a form body of at most 64 KiB.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if !strings.EqualFold(strings.TrimSpace(media), "application/x-www-form-urlencoded") {
		return nil, ErrUnsupportedMediaType.WithDetail("Send a form: Content-Type: application/x-www-form-urlencoded.")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return nil, ErrTooLarge
		}
		return nil, ErrMalformedRequest.WithDetail("The body is not a form.")
	}
	return r.PostForm, nil
}
