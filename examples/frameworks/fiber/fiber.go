// Package fiber protects the routes of a Fiber app.
package fiber

import (
	"net/http"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
	"github.com/gofiber/fiber/v3/middleware/cors"

	"github.com/hallpass-go/hallpass"
)

// NewApp returns an app with two routes that want a token, for pages of one origin.
func NewApp(verifier *hallpass.Verifier[struct{}]) *fiber.App {
	app := fiber.New()
	app.Use(cors.New(cors.Config{
		AllowOrigins: []string{"https://app.example.com"}, AllowHeaders: []string{"Authorization"},
	}))
	app.Get("/hello", require(verifier), hello)
	ownOrAdmin := hallpass.AnyOf(hallpass.Self("id"), hallpass.Role("admin"))
	app.Get("/users/:id", require(verifier, ownOrAdmin), user)
	return app
}

// require lets only those requests pass that the verifier lets pass. The adaptor makes a request of
// net/http for the verifier. It knows no path values, and the context it hands back is
// c.RequestCtx(), by a deprecated way; so both are given explicitly.
func require(verifier *hallpass.Verifier[struct{}], rules ...hallpass.Rule) fiber.Handler {
	guard := verifier.Require(rules...)
	return func(c fiber.Ctx) error {
		return adaptor.HTTPMiddleware(func(next http.Handler) http.Handler {
			guarded := guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c.SetContext(r.Context())
				next.ServeHTTP(w, r)
			}))
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for _, name := range c.Route().Params { // for hallpass.Self
					r.SetPathValue(name, c.Params(name))
				}
				guarded.ServeHTTP(w, r)
			})
		})(c)
	}
}

func hello(c fiber.Ctx) error {
	id, _ := hallpass.IdentityFrom[struct{}](c.Context())
	return c.SendString("Hello " + id.Subject)
}

func user(c fiber.Ctx) error { return c.SendString("User " + c.Params("id")) }
