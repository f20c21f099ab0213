package keyfunc_test

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hallpass-go/hallpass/examples/migrate/internal/requests"
	"github.com/hallpass-go/hallpass/examples/migrate/keyfunc"
	"github.com/hallpass-go/hallpass/issuers"
)

func TestNew_answersAsTheTableSays(t *testing.T) {
	i := requests.NewIssuer(t, "/realms/shop", jwt.MapClaims{"typ": "Bearer", "azp": "app"})
	old, err := keyfunc.Old(t.Context(), i.KeysURL)
	if err != nil {
		t.Fatal(err)
	}
	replacement, err := keyfunc.New(i.Trusted(issuers.Keycloak(i.Name, requests.Audience)))
	if err != nil {
		t.Fatal(err)
	}
	i.Compare(t, "golang-jwt + keyfunc", old, replacement)
}
