package hallpass_test

import (
	"testing"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/storetest"
)

func TestMemoryStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) hallpass.Store { return hallpass.NewMemoryStore() })
}
