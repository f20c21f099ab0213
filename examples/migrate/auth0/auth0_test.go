package auth0_test

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hallpass-go/hallpass/examples/migrate/auth0"
	"github.com/hallpass-go/hallpass/examples/migrate/internal/requests"
	"github.com/hallpass-go/hallpass/issuers"
)

func TestNew_answersAsTheTableSays(t *testing.T) {
	i := requests.NewIssuer(t, "/", jwt.MapClaims{"azp": "app", "scope": "openid"})
	old, err := auth0.Old(i.Host, requests.Audience)
	if err != nil {
		t.Fatal(err)
	}
	replacement, err := auth0.New(i.Trusted(issuers.Auth0(i.Host, requests.Audience)))
	if err != nil {
		t.Fatal(err)
	}
	i.Compare(t, "go-jwt-middleware", old, replacement)
}
