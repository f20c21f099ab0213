package hallpass

import "errors"

// Errors of stores.
var (
	// ErrNotFound says that there is no such record.
	ErrNotFound = errors.New("hallpass: not found")
	// ErrStoreUnavailable says that the store could not be asked; nothing is known of the outcome.
	ErrStoreUnavailable = errors.New("hallpass: store unavailable")
)
