package main

import (
	"net/http"
	"strconv"
	"time"

	cache "github.com/chenyahui/gin-cache"
	"github.com/chenyahui/gin-cache/persist"
	"github.com/gin-gonic/gin"
	"github.com/hallpass-go/hallpass/httpcache"
)

// sameFields is a bare server that writes the fields of a cached answer, too.
func sameFields(answer answerer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Age", "0")
		h.Set("Cache-Control", "private, no-cache")
		h.Set("Cache-Status", "hallpass; hit; ttl=3599")
		h.Set("Content-Length", strconv.Itoa(len(body)))
		h.Set("ETag", `"FlC4Y5c6rmg9yl0pN5dPTg"`)
		answer(w, r, userID)
	})
}

// ourCache is httpcache with an identity, so that its answers are private.
func ourCache(answer answerer) (http.Handler, error) {
	c, err := httpcache.New(httpcache.Config{
		TTL: time.Hour, Identity: func(*http.Request) string { return userID },
	})
	if err != nil {
		return nil, err
	}
	return c.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r, userID) })), nil
}

// ginCache is gin-cache as its documentation shows it: it knows no identity.
func ginCache(answer answerer) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	store := persist.NewMemoryStore(time.Hour)
	engine.GET("/*any", cache.CacheByRequestURI(store, time.Hour), func(c *gin.Context) {
		answer(c.Writer, c.Request, userID)
	})
	return engine
}
