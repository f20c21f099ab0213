// Package keyfunc is the way from golang-jwt and keyfunc to Hallpass.
package keyfunc

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

// Old greets who has a token that a key of the set verifies.
func Old(ctx context.Context, keysURL string) (http.Handler, error) {
	keys, err := keyfunc.NewDefaultCtx(ctx, []string{keysURL})
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		token, err := jwt.Parse(text, keys.Keyfunc)
		if err != nil {
			http.Error(w, "Unauthorized", http.StatusUnauthorized)
			return
		}
		subject, _ := token.Claims.GetSubject()
		fmt.Fprintf(w, "Hello %s", subject)
	}), nil
}
