// Package gin protects the routes of a Gin router.
package gin

import (
	"net/http"

	"github.com/gin-contrib/cors"
	"github.com/gin-gonic/gin"

	"github.com/hallpass-go/hallpass"
)

// NewRouter returns a router with two routes that want a token, for pages of one origin.
func NewRouter(verifier *hallpass.Verifier[struct{}]) http.Handler {
	router := gin.New()
	router.Use(cors.New(cors.Config{
		AllowOrigins: []string{"https://app.example.com"}, AllowHeaders: []string{"Authorization"},
	}))
	router.GET("/hello", require(verifier), hello)
	ownOrAdmin := hallpass.AnyOf(hallpass.Self("id"), hallpass.Role("admin"))
	router.GET("/users/:id", require(verifier, ownOrAdmin), user)
	return router
}

// require lets only those requests pass that the verifier lets pass.
func require(verifier *hallpass.Verifier[struct{}], rules ...hallpass.Rule) gin.HandlerFunc {
	guard := verifier.Require(rules...)
	return func(c *gin.Context) {
		for _, p := range c.Params { // for hallpass.Self
			c.Request.SetPathValue(p.Key, p.Value)
		}
		passed := false
		guard(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			passed, c.Request = true, r
		})).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}

func hello(c *gin.Context) {
	id, _ := hallpass.IdentityFrom[struct{}](c.Request.Context())
	c.String(http.StatusOK, "Hello %s", id.Subject)
}

func user(c *gin.Context) { c.String(http.StatusOK, "User %s", c.Param("id")) }
