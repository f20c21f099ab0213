// Package echo protects the routes of an Echo router.
package echo

import (
	"net/http"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"

	"github.com/hallpass-go/hallpass"
)

// NewRouter returns a router with two routes that want a token, for pages of one origin.
func NewRouter(verifier *hallpass.Verifier[struct{}]) http.Handler {
	router := echo.New()
	router.Use(middleware.CORS("https://app.example.com"))
	router.GET("/hello", hello, echo.WrapMiddleware(verifier.Require()))
	ownOrAdmin := hallpass.AnyOf(hallpass.Self("id"), hallpass.Role("admin"))
	router.GET("/users/:id", user, echo.WrapMiddleware(verifier.Require(ownOrAdmin)))
	return router
}

func hello(c *echo.Context) error {
	id, _ := hallpass.IdentityFrom[struct{}](c.Request().Context())
	return c.String(http.StatusOK, "Hello "+id.Subject)
}

func user(c *echo.Context) error { return c.String(http.StatusOK, "User "+c.Param("id")) }
