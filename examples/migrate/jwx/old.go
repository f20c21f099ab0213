// Package jwx is the way from lestrrat-go/jwx to Hallpass.
package jwx

import (
	"context"
	"fmt"
	"net/http"

	"github.com/lestrrat-go/httprc/v3"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"
)

// Old greets who has a token that a key of the set verifies.
func Old(ctx context.Context, keysURL string) (http.Handler, error) {
	cache, err := jwk.NewCache(ctx, httprc.NewClient())
	if err != nil {
		return nil, err
	}
	if err := cache.Register(ctx, keysURL); err != nil {
		return nil, err
	}
	keys, err := cache.CachedSet(keysURL)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := jwt.ParseRequest(r, jwt.WithKeySet(keys))
		if err != nil {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		subject, _ := token.Subject()
		fmt.Fprintf(w, "Hello %s", subject)
	}), nil
}
