// Command nethttp greets who has a token of a Keycloak realm.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/issuers"
)

func main() {
	trusted := issuers.Keycloak("https://id.example.com/realms/shop", "orders")
	verifier, err := hallpass.NewVerifier[struct{}](hallpass.VerifierConfig{
		Issuers: []hallpass.TrustedIssuer{trusted},
		Observe: func(_ context.Context, e hallpass.Event) { log.Print(e.Err) },
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("GET /hello", verifier.Func(hello))
	log.Fatal(http.ListenAndServe("127.0.0.1:8090", nil))
}

func hello(w http.ResponseWriter, _ *http.Request, id hallpass.Identity[struct{}]) {
	fmt.Fprintf(w, "Hello %s of %s\n", id.Subject, id.Issuer)
}
