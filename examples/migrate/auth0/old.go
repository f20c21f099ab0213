// Package auth0 is the way from auth0/go-jwt-middleware to Hallpass.
package auth0

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	jwtmiddleware "github.com/auth0/go-jwt-middleware/v2"
	"github.com/auth0/go-jwt-middleware/v2/jwks"
	"github.com/auth0/go-jwt-middleware/v2/validator"
)

// Old greets who has a token of the tenant for the audience.
func Old(domain, audience string) (http.Handler, error) {
	issuer, err := url.Parse("https://" + domain + "/")
	if err != nil {
		return nil, err
	}
	keys := jwks.NewCachingProvider(issuer, 5*time.Minute)
	tokens, err := validator.New(keys.KeyFunc, validator.RS256, issuer.String(), []string{audience})
	if err != nil {
		return nil, err
	}
	return jwtmiddleware.New(tokens.ValidateToken).CheckJWT(http.HandlerFunc(oldHello)), nil
}

func oldHello(w http.ResponseWriter, r *http.Request) {
	claims := r.Context().Value(jwtmiddleware.ContextKey{}).(*validator.ValidatedClaims)
	fmt.Fprintf(w, "Hello %s", claims.RegisteredClaims.Subject)
}
