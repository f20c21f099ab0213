package gin_test

import (
	"testing"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/examples/frameworks/gin"
	"github.com/hallpass-go/hallpass/examples/frameworks/internal/requests"
)

func TestRouter(t *testing.T) {
	requests.Check(t, func(v *hallpass.Verifier[struct{}]) requests.Serve {
		return requests.Of(gin.NewRouter(v))
	})
}
