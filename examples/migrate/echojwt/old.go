// Package echojwt is the way from echo-jwt to Hallpass.
package echojwt

import (
	"context"
	"net/http"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"
)

// Old greets who has a token that a key of the set verifies.
func Old(ctx context.Context, keysURL string) (http.Handler, error) {
	keys, err := keyfunc.NewDefaultCtx(ctx, []string{keysURL})
	if err != nil {
		return nil, err
	}
	e := echo.New()
	e.Use(echojwt.WithConfig(echojwt.Config{KeyFunc: keys.Keyfunc}))
	e.GET("/hello", oldHello)
	return e, nil
}

func oldHello(c echo.Context) error {
	subject, err := c.Get("user").(*jwt.Token).Claims.GetSubject()
	if err != nil {
		return err
	}
	return c.String(http.StatusOK, "Hello "+subject)
}
