package jwtauth_test

import (
	"testing"

	"github.com/hallpass-go/hallpass/examples/migrate/internal/requests"
	"github.com/hallpass-go/hallpass/examples/migrate/jwtauth"
)

func TestNew_answersAsTheTableSays(t *testing.T) {
	i := requests.NewSecretIssuer(t)
	old := jwtauth.Old(i.Secret)
	trusted, err := requests.SharedSecret(i.Name, requests.Audience, i.Secret)
	if err != nil {
		t.Fatal(err)
	}
	replacement, err := jwtauth.New(trusted)
	if err != nil {
		t.Fatal(err)
	}
	i.Compare(t, "jwtauth", old, replacement)
}
