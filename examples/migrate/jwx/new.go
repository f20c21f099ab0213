package jwx

import (
	"fmt"
	"net/http"

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
	return verifier.Func(hello), nil
}

func hello(w http.ResponseWriter, _ *http.Request, id hallpass.Identity[struct{}]) {
	fmt.Fprintf(w, "Hello %s", id.Subject)
}
