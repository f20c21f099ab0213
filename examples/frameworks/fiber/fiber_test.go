package fiber_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	gofiber "github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/examples/frameworks/fiber"
	"github.com/hallpass-go/hallpass/examples/frameworks/internal/requests"
	"github.com/hallpass-go/hallpass/hallpasstest"
)

func TestApp(t *testing.T) {
	requests.Check(t, func(v *hallpass.Verifier[struct{}]) requests.Serve {
		return serve(fiber.NewApp(v))
	})
}

func serve(app *gofiber.App) requests.Serve {
	return func(t *testing.T, r *http.Request) *http.Response {
		answer, err := app.Test(r)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
}

// What passes through the adaptor, and what does not, by itself and with require.
func TestApp_adaptor(t *testing.T) {
	kit := hallpasstest.New[struct{}](t)
	verifier := kit.Auth(hallpass.Config[struct{}]{}).Verifier
	app := gofiber.New()
	app.Post("/hello", adaptor.HTTPMiddleware(verifier.Require()), func(c gofiber.Ctx) error {
		_, inContext := hallpass.IdentityFrom[struct{}](c.Context())
		id, inRequest := hallpass.IdentityFrom[struct{}](c.RequestCtx())
		if inContext || !inRequest || id.Subject != "alice" {
			t.Errorf("in c.Context(): %v; in c.RequestCtx(): %v, %s", inContext, inRequest, id.Subject)
		}
		if string(c.Body()) != "text" {
			t.Errorf("the body is %q", c.Body())
		}
		if several := c.GetReqHeaders()["X-Several"]; slices.Contains(several, "a") {
			t.Errorf("of a header with two values there are: %q", several)
		}
		return nil
	})
	self := func(gofiber.Ctx) error { return nil }
	app.Post("/users/:id", adaptor.HTTPMiddleware(verifier.Require(hallpass.Self("id"))), self)
	token := kit.Token("alice", hallpass.Grant[struct{}]{})
	for path, status := range map[string]int{"/hello": 200, "/users/alice": 403} {
		r, err := http.NewRequest("POST", path, strings.NewReader("text"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Add("X-Several", "a")
		r.Header.Add("X-Several", "b")
		if got := serve(app)(t, r); got.StatusCode != status {
			t.Errorf("%s: %d", path, got.StatusCode)
		}
	}
}
