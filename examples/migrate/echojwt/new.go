package echojwt

import (
	"net/http"

	"github.com/labstack/echo/v4"

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
	e := echo.New()
	e.Use(echo.WrapMiddleware(verifier.Require()))
	e.GET("/hello", hello)
	return e, nil
}

func hello(c echo.Context) error {
	id, _ := hallpass.IdentityFrom[struct{}](c.Request().Context())
	return c.String(http.StatusOK, "Hello "+id.Subject)
}
