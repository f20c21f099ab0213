// Package flask gives the answers to OPTIONS that Flask adds to every route of an API by itself.
package flask

import (
	"net/http"
	"slices"
	"strings"
)

// methods are those that a route in Flask usually has, sorted.
var methods = []string{
	http.MethodDelete, http.MethodGet, http.MethodHead,
	http.MethodPatch, http.MethodPost, http.MethodPut,
}

// Options returns mux with an answer to OPTIONS on each of its routes: 200, and the methods of the
// route in Allow. This calls no handler and requires no token. A 405 has the same Allow. Patterns
// without a method, or with OPTIONS, keep their handlers.
func Options(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if has(mux, r, r.Method) {
			mux.ServeHTTP(w, r)
			return
		}
		allowed := slices.DeleteFunc(slices.Clone(methods), func(method string) bool {
			return !has(mux, r, method)
		})
		switch {
		case len(allowed) == 0:
			mux.ServeHTTP(w, r) // 404
		case r.Method == http.MethodOptions:
			Allow(w, allowed...)
		default:
			setAllow(w, allowed)
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		}
	})
}

// has reports whether mux has a route for the path of a request with that method.
func has(mux *http.ServeMux, r *http.Request, method string) bool {
	asked := *r
	asked.Method = method
	_, pattern := mux.Handler(&asked)
	return pattern != ""
}

// Allow answers OPTIONS on a route with these methods, or with the usual ones if there are none.
func Allow(w http.ResponseWriter, allowed ...string) {
	if len(allowed) == 0 {
		allowed = methods
	}
	setAllow(w, allowed)
	w.Header().Set("Content-Type", "text/html; charset=utf-8") // with an empty body, as in Flask
	w.WriteHeader(http.StatusOK)
}

// setAllow adds OPTIONS and sorts the methods. In Flask their order is random.
func setAllow(w http.ResponseWriter, allowed []string) {
	all := append(slices.Clone(allowed), http.MethodOptions)
	slices.Sort(all)
	w.Header().Set("Allow", strings.Join(all, ", "))
}
