// Package ginjwt is the way from gin-jwt to Hallpass.
package ginjwt

import (
	"net/http"

	ginjwt "github.com/appleboy/gin-jwt/v2"
	"github.com/gin-gonic/gin"
)

// Old greets who has a token that the secret verifies.
func Old(secret []byte) (http.Handler, error) {
	middleware, err := ginjwt.New(&ginjwt.GinJWTMiddleware{Realm: "orders", Key: secret})
	if err != nil {
		return nil, err
	}
	router := gin.New()
	router.Use(middleware.MiddlewareFunc())
	router.GET("/hello", func(c *gin.Context) {
		c.String(http.StatusOK, "Hello %v", ginjwt.ExtractClaims(c)["sub"])
	})
	return router, nil
}
