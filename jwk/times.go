package jwk

import "time"

// The times that signers and verifiers must agree on.
const (
	// MaxTokenLife is the longest lifetime of a token. By default, verifiers refuse tokens with a
	// longer one.
	MaxTokenLife = 24 * time.Hour
	// PublishedMaxAge is how long a verifier may keep the published keys (Cache-Control: max-age).
	PublishedMaxAge = 5 * time.Minute
	// PublishedBefore is how long a key is published before it signs, so that every verifier has
	// fetched it by then.
	PublishedBefore = PublishedMaxAge + time.Minute
	// PublishedAfter is how long a key stays published after it stopped signing, until its last
	// token has expired, with some room for clocks that differ.
	PublishedAfter = MaxTokenLife + 10*time.Minute
)
