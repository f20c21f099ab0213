package hallpass_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/jwk"
)

// An API with users of its own: login, refresh, logout, sessions and two protected routes.
func Example() {
	keys, err := jwk.OpenFile("keys.json") // made on first run, mode 0600
	if err != nil {
		log.Fatal(err)
	}
	auth, err := hallpass.New(hallpass.Config[struct{}]{
		Issuer: "https://api.example", Audience: "api", Keys: keys, Authenticate: checkPassword,
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	auth.Mount(mux, "/auth") // POST /auth/login, refresh, logout; GET /auth/sessions, jwks.json
	mux.Handle("GET /me", auth.Func(me))
	mux.Handle("DELETE /users/{id}", auth.Func(remove, hallpass.AnyOf(hallpass.Self("id"), hallpass.Role("admin"))))
	log.Fatal(http.ListenAndServe("127.0.0.1:8000", mux))
}

// A handler takes the caller's identity as an argument, so it cannot be mounted unprotected.
func me(w http.ResponseWriter, r *http.Request, id hallpass.Identity[struct{}]) {
	fmt.Fprintf(w, "You are %s until %s.\n", id.Subject, id.ExpiresAt)
}

func remove(w http.ResponseWriter, r *http.Request, id hallpass.Identity[struct{}]) {
	w.WriteHeader(http.StatusNoContent)
}

// checkPassword returns the user's ID, which becomes the token's subject.
func checkPassword(ctx context.Context, login hallpass.Login) (string, error) {
	return "", hallpass.ErrInvalidCredentials // look the user up and call password.Check here
}

// A service that only verifies needs the issuer's public keys.
func ExampleNewVerifier() {
	keys, err := jwk.ParseSet([]byte(`{"keys":[]}`)) // from the issuer's /auth/jwks.json
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := hallpass.NewVerifier[struct{}](hallpass.VerifierConfig{
		Issuer: "https://api.example", Audience: "api", Keys: keys,
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("GET /report", verifier.Func(me, hallpass.Scope("report:read")))
}
