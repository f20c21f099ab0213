package sessions_test

import (
	"testing"

	"github.com/hallpass-go/hallpass/sessions"
	"github.com/hallpass-go/hallpass/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) sessions.Store { return sessions.NewMemory() })
}
