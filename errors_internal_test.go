package hallpass

import (
	"errors"
	"strings"
	"testing"
)

func TestAsError(t *testing.T) {
	cause := errors.New("disk on fire")
	if e := asError(cause); e.Code != "internal" || e.Status != 500 || !errors.Is(e, cause) ||
		strings.Contains(e.Detail, "fire") {
		t.Errorf("AsError = %+v", e)
	}
	e := ErrTokenExpired.Because(cause).WithDetail("other words")
	if !errors.Is(e, ErrTokenExpired) || errors.Is(e, ErrTokenInvalid) || !errors.Is(e, cause) || asError(e) != e {
		t.Errorf("%+v", e)
	}
	if ErrTokenExpired.Cause != nil {
		t.Error("Because changed the sentinel")
	}
}
