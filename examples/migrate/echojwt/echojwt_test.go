package echojwt_test

import (
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hallpass-go/hallpass/examples/migrate/echojwt"
	"github.com/hallpass-go/hallpass/examples/migrate/internal/requests"
	"github.com/hallpass-go/hallpass/issuers"
)

func TestNew_answersAsTheTableSays(t *testing.T) {
	i := requests.NewIssuer(t, "/realms/shop", jwt.MapClaims{"typ": "Bearer", "azp": "app"})
	old, err := echojwt.Old(t.Context(), i.KeysURL)
	if err != nil {
		t.Fatal(err)
	}
	replacement, err := echojwt.New(i.Trusted(issuers.Keycloak(i.Name, requests.Audience)))
	if err != nil {
		t.Fatal(err)
	}
	i.Compare(t, "echo-jwt", old, replacement)
}
