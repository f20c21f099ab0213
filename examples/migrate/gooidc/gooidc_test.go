package gooidc_test

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hallpass-go/hallpass/examples/migrate/gooidc"
	"github.com/hallpass-go/hallpass/examples/migrate/internal/requests"
	"github.com/hallpass-go/hallpass/issuers"
)

func TestNew_answersAsTheTableSays(t *testing.T) {
	i := requests.NewIssuer(t, "/realms/shop", jwt.MapClaims{"typ": "Bearer", "azp": "app"})
	old, err := gooidc.Old(t.Context(), i.Name, requests.Audience)
	if err != nil {
		t.Fatal(err)
	}
	replacement, err := gooidc.New(i.Trusted(issuers.Keycloak(i.Name, requests.Audience)))
	if err != nil {
		t.Fatal(err)
	}
	i.Compare(t, "go-oidc", old, replacement)
}
