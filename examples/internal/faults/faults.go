// Package faults writes what went wrong on the server's side to the log of an example. A client is
// told no more than that something did.
package faults

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/hallpass-go/hallpass"
)

// To returns an Observe of [hallpass.Config] that writes each fault as a line. That a client hung
// up is none, nor is it that the server was busy.
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

// Refusal is what err is to a client: an [hallpass.Error] as it is, any other as internal.
func Refusal(err error) *hallpass.Error {
	if refusal, ok := errors.AsType[*hallpass.Error](err); ok {
		return refusal
	}
	return hallpass.ErrInternal.Because(err)
}

// Detail is what a client is told of an error. The library's word on an internal one names a
// request ID, which the examples' answers do not have.
func Detail(e *hallpass.Error) string {
	if errors.Is(e, hallpass.ErrInternal) {
		return "Something went wrong on our side."
	}
	return e.Detail
}
