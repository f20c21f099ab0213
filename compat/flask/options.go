// Package flask answers what Flask itself answers for an API without being told to: OPTIONS on
// every route.
package flask

import (
	"net/http"
	"slices"
	"strings"
)

// methods are those that a route of Flask mostly has, sorted.
var methods = []string{
	http.MethodDelete, http.MethodGet, http.MethodHead,
	http.MethodPatch, http.MethodPost, http.MethodPut,
}

// Options returns mux with an answer to OPTIONS on each of its routes: 200, and the methods of the
// route in Allow. No handler is called for it and no token is asked for. A 405 has the same Allow.
// Patterns without a method, or with OPTIONS, keep their handlers.
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

// has reports whether mux has a route for the path of a request and a method.
func has(mux *http.ServeMux, r *http.Request, method string) bool {
	asked := *r
	asked.Method = method
	_, pattern := mux.Handler(&asked)
	return pattern != ""
}

// Allow answers OPTIONS on a route that has these methods, or any when there are none.
func Allow(w http.ResponseWriter, allowed ...string) {
	if len(allowed) == 0 {
		allowed = methods
	}
	setAllow(w, allowed)
	w.Header().Set("Content-Type", "text/html; charset=utf-8") // with an empty body, as there
	w.WriteHeader(http.StatusOK)
}

// setAllow adds OPTIONS, and sorts: in Flask the order is one of chance.
func setAllow(w http.ResponseWriter, allowed []string) {
	all := append(slices.Clone(allowed), http.MethodOptions)
	slices.Sort(all)
	w.Header().Set("Allow", strings.Join(all, ", "))
}
