package httpcache_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/hallpass-go/hallpass/httpcache"
)

// A page for everybody, which is made again after it has been changed.
func Example() {
	cache, err := httpcache.New(httpcache.Config{})
	if err != nil {
		log.Fatal(err)
	}
	text := "hello"
	mux := http.NewServeMux()
	shared := cache.Route(httpcache.Route{Shared: true, Tags: func(*http.Request) []string { return []string{"text"} }})
	mux.Handle("GET /", shared(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, text)
	})))
	mux.HandleFunc("PUT /", func(_ http.ResponseWriter, r *http.Request) {
		text = "changed"
		if err := cache.Invalidate(r.Context(), "text"); err != nil {
			log.Print(err)
		}
	})
	for _, method := range []string{"GET", "GET", "PUT", "GET"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(method, "/", nil))
		fmt.Printf("%s %d %q %q\n", method, w.Code, w.Body, w.Header().Get("Cache-Status"))
	}
	// Output:
	// GET 200 "hello" "hallpass; fwd=uri-miss; stored"
	// GET 200 "hello" "hallpass; hit; ttl=4"
	// PUT 200 "" ""
	// GET 200 "changed" "hallpass; fwd=uri-miss; stored"
}
