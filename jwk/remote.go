package jwk

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// The times that a [Remote] goes by.
const (
	fetchTimeout   = 5 * time.Second
	fetchBackoff   = 5 * time.Second  // after a failed fetch, before the next
	unknownBackoff = 30 * time.Second // after a fetch for an unknown key, before the next such
	minMaxAge      = 30 * time.Second
	defaultMaxAge  = PublishedMaxAge // when the answer does not say
)

// RemoteConfig says how a [Remote] asks. Its zero value asks public addresses over TLS.
type RemoteConfig struct {
	// AllowPrivate lets the host be at an address that is not public: loopback, of a private
	// network, link-local. Without it a name that resolves to one is refused when it is dialled.
	// Defaults to public addresses only.
	AllowPrivate bool
	// RootCAs are those that may have issued the host's certificate. Defaults to the system's.
	RootCAs *x509.CertPool
	// Set says how the set is read.
	Set SetOptions
	// MaxAge is how long a set is used, at most, before it is asked for again; Cache-Control may
	// shorten it to 30 s. It bounds how long a key that was taken back still verifies. Defaults to
	// 1 hour.
	MaxAge time.Duration
	// MaxStale is how much longer a set is used as long as the host cannot be asked. Defaults to 1
	// hour; negative for not at all.
	MaxStale time.Duration
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Remote is a [Source] of the public keys that an issuer publishes at a URL (RFC 7517 §5), for
// services that only verify. It fetches them when a key is asked for, with one fetch in flight at a
// time, and keeps them as Cache-Control says within bounds. An unknown ID causes one fetch in 30
// seconds at most; in between it is refused at once. A key that left the set is gone after the next
// fetch, and one that stayed remains the same value. When the host cannot be asked the keys at hand
// are used for [RemoteConfig.MaxStale] longer.
//
// It goes to that one URL: no redirects, cookies or proxies, 5 seconds, 256 KiB, and no address
// that is not public unless allowed (RFC 8725bis §3.10). It is safe for concurrent use; nothing
// runs between fetches, so there is nothing to close.
type Remote struct {
	url     string
	config  RemoteConfig
	fetcher *fetcher
	current atomic.Pointer[remoteSet] // what the last fetch that worked gave; nil before

	mu          sync.Mutex
	flight      *flight   // under way, or nil
	failure     error     // of the last fetch; nil if it worked
	lastAttempt time.Time // when the last fetch began
	lastUnknown time.Time // when the last fetch for an unknown key began
}

// remoteSet is a set and how long it is good for.
type remoteSet struct {
	*Set
	fetchedAt  time.Time
	renewAfter time.Time // ask for the next one, but do not wait for it
	freshUntil time.Time
	staleUntil time.Time
}

// flight is one fetch that all who need it share.
type flight struct{ done chan struct{} }

// NewRemote returns a source of the keys at a URL, or every mistake at once. It fetches nothing
// yet. The URL is https; http is for loopback hosts only, and these need
// [RemoteConfig.AllowPrivate].
func NewRemote(rawURL string, c RemoteConfig) (*Remote, error) {
	var mistakes []error
	u, err := url.Parse(rawURL)
	if err != nil {
		mistakes = append(mistakes, errors.New("jwk: the URL is not one"))
	} else {
		mistakes = append(mistakes, checkURL(u, c.AllowPrivate))
	}
	if c.MaxAge < 0 || c.MaxAge != 0 && c.MaxAge < minMaxAge {
		mistakes = append(mistakes, fmt.Errorf("jwk: MaxAge is under %v", minMaxAge))
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	if c.MaxAge == 0 {
		c.MaxAge = time.Hour
	}
	if c.MaxStale == 0 {
		c.MaxStale = time.Hour
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Remote{url: rawURL, config: c, fetcher: newFetcher(u, c)}, nil
}

// Key implements [Source]. It waits for a fetch only if there is no set yet, the one at hand is too
// old, or the ID is unknown. An error wraps [ErrUnknownKey], or [ErrUnavailable] when the host
// could not be asked or ctx is done.
func (r *Remote) Key(ctx context.Context, id string) (Key, error) {
	// The time of day: the monotonic clock stands still while a machine sleeps, and keys are taken
	// back meanwhile.
	set, now := r.current.Load(), r.config.Now().Round(0)
	// A set from the future is from before the clock was set back, and nobody can tell how old it
	// is.
	fresh := set != nil && !now.Before(set.fetchedAt) && now.Before(set.freshUntil)
	if fresh {
		if key := set.byID[id]; key != nil {
			if !now.Before(set.renewAfter) {
				r.fetch(now, false)
			}
			return key, nil
		}
	}
	// With a fresh set at hand the ID is unknown, and any token may name one.
	if f := r.fetch(now, fresh); f != nil && !r.isUsable(set, id, now) {
		if err := f.wait(ctx); err != nil {
			return nil, err
		}
	}
	return r.lookUp(id, now)
}

// Current returns the set that is in use; it is fetched if there is none yet. An error wraps
// [ErrUnavailable].
func (r *Remote) Current(ctx context.Context) (*Set, error) {
	if set := r.current.Load(); set != nil {
		return set.Set, nil
	}
	if f := r.fetch(r.config.Now().Round(0), false); f != nil {
		if err := f.wait(ctx); err != nil {
			return nil, err
		}
	}
	if set := r.current.Load(); set != nil {
		return set.Set, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return nil, fmt.Errorf("%w: %w", ErrUnavailable, r.failure)
}

// isUsable reports whether a set's key may be used while the next set is fetched: if the host did
// not answer the last time, so that an outage does not hold up each request.
func (r *Remote) isUsable(set *remoteSet, id string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failure != nil && set != nil && now.Before(set.staleUntil) && set.byID[id] != nil
}

// lookUp looks in the set at hand. What is not there is unknown only if the host could be asked.
func (r *Remote) lookUp(id string, now time.Time) (Key, error) {
	r.mu.Lock()
	set, failure := r.current.Load(), r.failure
	r.mu.Unlock()
	if set != nil && now.Before(set.staleUntil) {
		if key := set.byID[id]; key != nil {
			return key, nil
		}
		if failure == nil {
			return nil, set.unknown(id)
		}
	}
	if failure == nil { // the clock went on a long way while the caller waited
		return nil, fmt.Errorf("%w: the keys of %s are too old", ErrUnavailable, r.url)
	}
	return nil, fmt.Errorf("%w: %w", ErrUnavailable, failure)
}

// fetch returns the fetch under way, or begins one. It returns nil if it is too soon after the
// last.
func (r *Remote) fetch(now time.Time, unknown bool) *flight {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.flight != nil:
		return r.flight
	case r.failure != nil && isWithin(fetchBackoff, r.lastAttempt, now):
		return nil
	case unknown && isWithin(unknownBackoff, r.lastUnknown, now):
		return nil
	}
	r.lastAttempt = now
	if unknown {
		r.lastUnknown = now
	}
	r.flight = &flight{done: make(chan struct{})}
	// Not in the caller's context: others wait for it too. It ends by its own timeout.
	go r.run(r.flight, now)
	return r.flight
}

// isWithin reports whether less than d has passed since then. A time in the future is from before
// the clock was set back.
func isWithin(d time.Duration, then, now time.Time) bool {
	passed := now.Sub(then)
	return passed >= 0 && passed < d
}

func (r *Remote) run(f *flight, now time.Time) {
	defer close(f.done)
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	next, err := r.load(ctx, now)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flight, r.failure = nil, err
	if err == nil {
		r.current.Store(next)
	}
}

func (r *Remote) load(ctx context.Context, now time.Time) (*remoteSet, error) {
	text, maxAge, err := r.fetcher.get(ctx)
	if err != nil {
		return nil, err
	}
	set, err := r.config.Set.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("reading the keys of %s: %w", r.url, err)
	}
	if set.secrets {
		return nil, fmt.Errorf("reading the keys of %s: %w: it publishes a secret", r.url, ErrInvalidKey)
	}
	if previous := r.current.Load(); previous != nil {
		set.keepValues(previous.Set)
	}
	maxAge = min(max(maxAge, minMaxAge), r.config.MaxAge)
	freshUntil := now.Add(maxAge)
	return &remoteSet{
		Set:        set,
		fetchedAt:  now,
		renewAfter: now.Add(maxAge * 4 / 5),
		freshUntil: freshUntil,
		staleUntil: freshUntil.Add(max(r.config.MaxStale, 0)),
	}, nil
}

// keepValues replaces each public key by the previous set's if that is the same, so that callers
// may compare keys by identity.
func (s *Set) keepValues(previous *Set) {
	for i, k := range s.keys {
		now, isPublic := k.(*PublicKey)
		before, wasPublic := previous.byID[k.ID()].(*PublicKey)
		if isPublic && wasPublic && now.algorithm == before.algorithm &&
			now.thumbprintInput() == before.thumbprintInput() {
			s.keys[i], s.byID[k.ID()] = before, before
		}
	}
}

// wait returns when the fetch is over, or with an error when ctx is done before.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
	}
}
