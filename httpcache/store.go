package httpcache

import (
	"context"
	"encoding/hex"
	"net/http"
	"sync/atomic"
	"time"
)

// Key names an answer: a SHA-256 hash of the request and the identity. It tells nothing of either.
type Key [32]byte

// String returns the key in hexadecimal digits.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// Mark is a moment in the order of invalidations.
type Mark uint64

// Store keeps answers. [Memory] is one. It is safe for concurrent use. It may forget an entry at any
// time, but not an invalidation.
type Store interface {
	// Mark returns the mark of now: that of an entry of which the making begins now.
	Mark(ctx context.Context) (Mark, error)
	// Get returns an entry, or nil if there is none, or none that is current: one is not if one of
	// its tags has been invalidated since its mark. The caller does not change the entry.
	Get(ctx context.Context, key Key) (*Entry, error)
	// Set keeps an entry, in place of one with the same key, until [Entry.Ends]. It does nothing if
	// the entry is not current, or older than the one that is there.
	Set(ctx context.Context, key Key, e *Entry) error
	// Invalidate makes all entries with one of the tags not current whose marks were made before. It
	// holds for everybody who uses the store as soon as it returns.
	Invalidate(ctx context.Context, tags ...string) error
}

// Entry is an answer with the status 200, or the list of fields on which answers depend. It is not
// changed once it has been stored.
type Entry struct {
	// Vary are the fields that choose among the answers to a request (RFC 9110 §12.5.5). If it is not
	// nil, the entry has no answer: each is an entry of its own.
	Vary   []string
	Header http.Header
	Body   []byte
	// Public says that the answer may be given to a request with credentials (RFC 9111 §3.5).
	Public bool
	Tags   []string
	Mark   Mark
	// Made is when the answer's handler was called. Up to Fresh it is used as it is, and up to Ends
	// while it is renewed.
	Made, Fresh, Ends time.Time

	stamp atomic.Pointer[stamp]
	slots []uint32 // of Tags in a Memory
}

// size is about how many bytes an entry takes in memory.
func (e *Entry) size() int {
	n := entryOverhead + cap(e.Body)
	for name, values := range e.Header {
		n += len(name) + fieldOverhead
		for _, v := range values {
			n += len(v) + stringOverhead
		}
	}
	for _, t := range e.Tags {
		n += len(t) + stringOverhead + 4
	}
	return n
}

// What Go and the store's own tables take beside the text, rounded up.
const (
	entryOverhead  = 1024
	fieldOverhead  = 64
	stringOverhead = 32
)
