package ginjwt

import (
	"net/http"

	"github.com/gin-gonic/gin"

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
	router := gin.New()
	router.Use(require(verifier))
	router.GET("/hello", func(c *gin.Context) {
		id, _ := hallpass.IdentityFrom[struct{}](c.Request.Context())
		c.String(http.StatusOK, "Hello %s", id.Subject)
	})
	return router, nil
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
