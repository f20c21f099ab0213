package hallpass_test

import (
	"log"
	"net/http"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/ratelimit"
)

// Each user may ask for three reports a day, from wherever they log in, and each session for one an
// hour. What one of the limits refuses does not use up the other.
func ExampleBySubject() {
	keys, err := jwk.ParseSet([]byte(`{"keys":[]}`)) // from the issuer's /auth/jwks.json
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := hallpass.NewVerifier[struct{}](hallpass.VerifierConfig{
		Issuer: "https://api.example", Audience: "api", Keys: keys,
	})
	if err != nil {
		log.Fatal(err)
	}
	daily := ratelimit.Limit{Name: "daily", Burst: 3, Per: 24 * time.Hour}
	hourly := ratelimit.Limit{Name: "hourly", Burst: 1, Per: time.Hour}
	limiter, err := ratelimit.New(ratelimit.Config{Rules: []ratelimit.Rule{
		{Limit: daily, Key: hallpass.BySubject[struct{}]},
		{Limit: hourly, Key: hallpass.BySession[struct{}]},
	}})
	if err != nil {
		log.Fatal(err)
	}
	report := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { /* … */ })
	http.Handle("POST /report", verifier.Require()(limiter.Middleware(report)))
}
