package ginjwt_test

import (
	"testing"

	"github.com/hallpass-go/hallpass/examples/migrate/ginjwt"
	"github.com/hallpass-go/hallpass/examples/migrate/internal/requests"
)

func TestNew_answersAsTheTableSays(t *testing.T) {
	i := requests.NewSecretIssuer(t)
	old, err := ginjwt.Old(i.Secret)
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := requests.SharedSecret(i.Name, requests.Audience, i.Secret)
	if err != nil {
		t.Fatal(err)
	}
	replacement, err := ginjwt.New(trusted)
	if err != nil {
		t.Fatal(err)
	}
	i.Compare(t, "gin-jwt", old, replacement)
}
