package refusals_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/examples/internal/refusals"
)

func TestLogTo_writesFaultsAndNothingElse(t *testing.T) {
	locked := hallpass.ErrStoreUnavailable.Because(errors.New("locked"))
	hungUp, cancel := context.WithCancel(t.Context())
	cancel()
	for name, row := range map[string]struct {
		ctx  context.Context
		err  error
		want string
	}{
		"disk":      {t.Context(), errors.New("disk full"), "internal: disk full\n"},
		"store":     {t.Context(), locked, "store_unavailable: locked\n"},
		"refusal":   {t.Context(), hallpass.ErrTokenExpired, ""},
		"busy":      {t.Context(), hallpass.ErrOverloaded, ""},
		"hung up":   {hungUp, context.Canceled, ""},
		"no errors": {t.Context(), nil, ""},
	} {
		var out strings.Builder
		refusals.LogTo(&out)(row.ctx, hallpass.Event{Err: row.err})
		if out.String() != row.want {
			t.Errorf("%s: %q", name, out.String())
		}
	}
}

func TestDetail_namesNoRequestID(t *testing.T) {
	got := refusals.Detail(hallpass.ErrInternal.Because(errors.New("disk full")))
	if strings.Contains(got, "request_id") || strings.Contains(got, "disk") {
		t.Error(got)
	}
	if got := refusals.Detail(hallpass.ErrTooLarge); got != hallpass.ErrTooLarge.Detail {
		t.Error(got)
	}
}
