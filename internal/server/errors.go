package server

import (
	"errors"
	"net/http"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/clients"
	"github.com/hallpass-go/hallpass/internal/users"
)

// The refusals of the server itself.
var (
	errMethodNotAllowed = &hallpass.Error{
		Code: "method_not_allowed", Status: http.StatusMethodNotAllowed,
		Detail: "This route does not take the method; Allow names those that it does.",
	}
	errHeaderTooLarge = &hallpass.Error{
		Code: hallpass.ErrTooLarge.Code, Status: http.StatusRequestHeaderFieldsTooLarge,
		Detail: "The header of a request has at most 16 KiB.",
	}
	errChangedSince = &hallpass.Error{
		Code: "precondition_failed", Status: http.StatusPreconditionFailed,
		Detail: "This is not as it was when you read it (If-Match). Read it again.",
	}
	errUsernameTaken = &hallpass.Error{
		Code: "username_taken", Status: http.StatusConflict,
		Detail: "Another user has this name, or had it lately. Choose another.",
	}
	errLastAdmin = &hallpass.Error{
		Code: "last_admin", Status: http.StatusConflict,
		Detail: "Nobody would be left to administer the server. Make another administrator first.",
	}
	errClientNameTaken = &hallpass.Error{
		Code: "client_name_taken", Status: http.StatusConflict,
		Detail: "Another client has this name. Choose another.",
	}
	errNoCurrent = hallpass.InvalidFields(hallpass.FieldError{
		Field: "current_password", Code: "missing", Detail: "This member is required.",
	})
	errStrayCurrent = hallpass.InvalidFields(hallpass.FieldError{
		Field: "current_password", Code: "forbidden", Detail: "This member goes with a new password of one's own.",
	})
	errNotCurrent = hallpass.InvalidFields(hallpass.FieldError{
		Field: "current_password", Code: "wrong", Detail: "This is not your current password.",
	})
)

// answers are the errors of the packages below and what they are to a client.
var answers = []struct {
	below error
	above *hallpass.Error
}{
	{users.ErrCredentials, hallpass.ErrInvalidCredentials},
	{users.ErrNotFound, hallpass.ErrNotFound},
	{users.ErrUsernameTaken, errUsernameTaken},
	{users.ErrLastAdmin, errLastAdmin},
	{users.ErrNoCurrentPassword, errNoCurrent},
	{users.ErrStrayCurrentPassword, errStrayCurrent},
	{users.ErrWrongCurrentPassword, errNotCurrent},
	{clients.ErrNotFound, hallpass.ErrNotFound},
	{clients.ErrNameTaken, errClientNameTaken},
	{clients.ErrRefused, errInvalidClient},
	{clients.ErrScope, errInvalidScope},
	{users.ErrUnavailable, hallpass.ErrStoreUnavailable},
}

// asError says what an error of the packages below is to a client.
func asError(err error) error {
	if _, said := errors.AsType[*hallpass.Error](err); said {
		return err
	}
	if invalid, ok := errors.AsType[*users.InvalidError](err); ok {
		fields := make([]hallpass.FieldError, len(invalid.Fields))
		for i, f := range invalid.Fields {
			fields[i] = hallpass.FieldError(f)
		}
		return hallpass.InvalidFields(fields...)
	}
	if invalid, ok := errors.AsType[*clients.InvalidError](err); ok {
		return hallpass.InvalidFields(hallpass.FieldError{
			Field: invalid.Field, Code: "invalid", Detail: invalid.Detail,
		})
	}
	if overloaded, ok := errors.AsType[*users.OverloadedError](err); ok {
		e := hallpass.ErrOverloaded.Because(err)
		e.RetryAfter = max(overloaded.RetryAfter, time.Second)
		return e
	}
	for _, a := range answers {
		if errors.Is(err, a.below) {
			return a.above.Because(err)
		}
	}
	return err
}
