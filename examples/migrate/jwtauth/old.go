// Package jwtauth is the way from go-chi/jwtauth to Hallpass.
package jwtauth

import (
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/jwtauth/v5"
)

// Old greets who has a token that the secret verifies.
func Old(secret []byte) http.Handler {
	tokens := jwtauth.New("HS256", secret, nil)
	router := chi.NewRouter()
	router.Use(jwtauth.Verifier(tokens), jwtauth.Authenticator(tokens))
	router.Get("/hello", func(w http.ResponseWriter, r *http.Request) {
		_, claims, _ := jwtauth.FromContext(r.Context())
		fmt.Fprintf(w, "Hello %v", claims["sub"])
	})
	return router
}
