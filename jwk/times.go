package jwk

import "time"

// The times on which those who sign and those who verify have to agree.
const (
	// MaxTokenLife is the longest that a token may live: whoever verifies accepts no longer one by
	// default.
	MaxTokenLife = 24 * time.Hour
	// PublishedMaxAge is how long a verifier may keep the published keys (Cache-Control: max-age).
	PublishedMaxAge = 5 * time.Minute
	// PublishedBefore is how long a key is published before it signs, so that every verifier has it
	// by then.
	PublishedBefore = PublishedMaxAge + time.Minute
	// PublishedAfter is how long a key is published that signs no more, until its last token is
	// dead whatever the clocks say.
	PublishedAfter = MaxTokenLife + 10*time.Minute
)
