// Package chi protects the routes of a chi router.
package chi

import (
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/cors"

	"github.com/hallpass-go/hallpass"
)

// NewRouter returns a router with two routes that want a token, for pages of one origin.
func NewRouter(verifier *hallpass.Verifier[struct{}]) http.Handler {
	router := chi.NewRouter()
	router.Use(cors.Handler(cors.Options{
		AllowedOrigins: []string{"https://app.example.com"},
		AllowedHeaders: []string{"Authorization"},
	}))
	router.Group(func(router chi.Router) {
		router.Use(verifier.Require())
		router.Get("/hello", hello)
	})
	ownOrAdmin := hallpass.AnyOf(hallpass.Self("id"), hallpass.Role("admin"))
	router.Method("GET", "/users/{id}", verifier.Func(user, ownOrAdmin))
	return router
}

func hello(w http.ResponseWriter, r *http.Request) {
	id, _ := hallpass.IdentityFrom[struct{}](r.Context())
	fmt.Fprintf(w, "Hello %s", id.Subject)
}

func user(w http.ResponseWriter, r *http.Request, _ hallpass.Identity[struct{}]) {
	fmt.Fprintf(w, "User %s", r.PathValue("id"))
}
