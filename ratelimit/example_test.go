package ratelimit_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/hallpass-go/hallpass/ratelimit"
)

// Each address may send two requests at once, and then one every half hour.
func Example() {
	limiter, err := ratelimit.New(ratelimit.Config{Rules: []ratelimit.Rule{
		{Limit: ratelimit.Limit{Name: "address", Burst: 2, Per: time.Hour}, Key: ratelimit.ByAddress},
	}})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	server := httptest.NewServer(limiter.Middleware(mux))
	defer server.Close()
	for range 3 {
		answer, err := http.Get(server.URL)
		if err != nil {
			log.Fatal(err)
		}
		answer.Body.Close()
		fmt.Printf("%d %q\n", answer.StatusCode, answer.Header.Get("Retry-After"))
	}
	// Output:
	// 200 ""
	// 200 ""
	// 429 "1800"
}

// A limit that is not of requests: each user may have three reports a day, and all together a hundred
// an hour.
func ExampleLimiter_Take() {
	limiter, err := ratelimit.New(ratelimit.Config{})
	if err != nil {
		log.Fatal(err)
	}
	mine := ratelimit.Limit{Name: "reports", Burst: 3, Per: 24 * time.Hour}
	everybody := ratelimit.Limit{Name: "all-reports", Burst: 100, Per: time.Hour}
	for range 4 {
		err := limiter.Take(context.Background(),
			ratelimit.Charge{Limit: mine, Key: "alice", Cost: 1}, ratelimit.Charge{Limit: everybody, Cost: 1})
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// the limit reports is reached
}
