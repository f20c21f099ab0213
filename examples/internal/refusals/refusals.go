// Package refusals is what the examples answer when something is not right: the texts of errors,
// the log of the server's own, and the limit on guesses.
package refusals

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/hallpass-go/hallpass"
)

// LogTo returns an Observe function for [hallpass.Config] that writes a line for each fault. Clients
// that hung up and a busy server are not faults.
func LogTo(out io.Writer) func(context.Context, hallpass.Event) {
	return func(ctx context.Context, e hallpass.Event) {
		if e.Err == nil || ctx.Err() != nil || errors.Is(e.Err, hallpass.ErrOverloaded) {
			return
		}
		if refusal := Of(e.Err); refusal.Status >= 500 {
			fmt.Fprintln(out, refusal)
		}
	}
}

// Of returns err as clients see it: an [hallpass.Error] unchanged, any other error as
// internal.
func Of(err error) *hallpass.Error {
	if refusal, ok := errors.AsType[*hallpass.Error](err); ok {
		return refusal
	}
	return hallpass.ErrInternal.Because(err)
}

// Detail returns the text about an error for clients. The library's text for internal errors
// mentions a request ID, which the examples' answers do not have.
func Detail(e *hallpass.Error) string {
	if errors.Is(e, hallpass.ErrInternal) {
		return "Something went wrong on our side."
	}
	return e.Detail
}
