package chi_test

import (
	"testing"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/examples/frameworks/chi"
	"github.com/hallpass-go/hallpass/examples/frameworks/internal/requests"
)

func TestRouter(t *testing.T) {
	requests.Check(t, func(v *hallpass.Verifier[struct{}]) requests.Serve {
		return requests.Of(chi.NewRouter(v))
	})
}
