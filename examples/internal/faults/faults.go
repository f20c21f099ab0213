// Package faults writes the server's errors to the log of an example. Clients only see that
// something went wrong.
package faults

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/hallpass-go/hallpass"
)

// To returns an Observe function for [hallpass.Config] that writes a line for each fault. Clients
// that hung up and a busy server are not faults.
func To(out io.Writer) func(context.Context, hallpass.Event) {
	return func(ctx context.Context, e hallpass.Event) {
		if e.Err == nil || ctx.Err() != nil || errors.Is(e.Err, hallpass.ErrOverloaded) {
			return
		}
		if refusal := Refusal(e.Err); refusal.Status >= 500 {
			fmt.Fprintln(out, refusal)
		}
	}
}

// Refusal returns err as clients see it: an [hallpass.Error] unchanged, any other error as
// internal.
func Refusal(err error) *hallpass.Error {
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
