package jwtauth

import (
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/hallpass-go/hallpass"
)

// New greets who has a token of the issuer for this API.
func New(trusted hallpass.TrustedIssuer) (http.Handler, error) {
	verifier, err := hallpass.NewVerifier[struct{}](hallpass.VerifierConfig{
		Issuers: []hallpass.TrustedIssuer{trusted},
	})
	if err != nil {
		return nil, err
	}
	router := chi.NewRouter()
	router.Use(verifier.Require())
	router.Get("/hello", func(w http.ResponseWriter, r *http.Request) {
		id, _ := hallpass.IdentityFrom[struct{}](r.Context())
		fmt.Fprintf(w, "Hello %s", id.Subject)
	})
	return router, nil
}
