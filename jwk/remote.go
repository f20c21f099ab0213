package jwk

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Times that [Remote] uses.
const (
	fetchTimeout   = 5 * time.Second
	fetchBackoff   = 5 * time.Second  // the pause after a failed fetch
	unknownBackoff = 30 * time.Second // the pause between fetches for unknown keys
	minMaxAge      = 30 * time.Second
	defaultMaxAge  = PublishedMaxAge // if the answer does not say
)

// RemoteConfig configures a [Remote]. The zero value allows only public addresses, over TLS.
type RemoteConfig struct {
	// AllowPrivate allows a host whose address is not public: a loopback, private or link-local
	// address. Without it, a name that resolves to such an address is refused when it is dialled.
	// Defaults to public addresses only.
	AllowPrivate bool
	// RootCAs are the authorities that may have issued the host's certificate. Defaults to the
	// system's.
	RootCAs *x509.CertPool
	// Set says how the set is read.
	Set SetOptions
	// MaxAge is the longest time that a set is used before it is fetched again. Cache-Control may
	// shorten it, down to 30 s. It limits how long a withdrawn key still verifies. Defaults to 1
	// hour.
	MaxAge time.Duration
	// MaxStale is how much longer a set is used while the host cannot be reached. To survive longer
	// outages, raise it. Then a withdrawn key is also used longer by a program that somebody keeps
	// from reaching the host. Defaults to 1 hour; a negative value disables this.
	MaxStale time.Duration
	// MetadataURL is where [Discover] finds the issuer's metadata, for issuers that do not publish it
	// under their own URL: Entra ID's v1 tokens are of the issuer https://sts.windows.net/TENANT/,
	// whose metadata is at
	// https://login.microsoftonline.com/TENANT/.well-known/openid-configuration. Defaults to the
	// addresses that the standards derive from the issuer's URL.
	MetadataURL string
	// File is the path of a file in which the last set is kept, so that a program that starts while
	// the host cannot be reached has keys. They are used as if the program had not ended: up to
	// MaxAge and MaxStale after their fetch. The file holds nothing secret. It has mode 0600, and is
	// replaced soon after each fetch, complete or not at all. A file that others can write to, that
	// belongs to another user, that is damaged or that holds the keys of another issuer or URL is
	// neither used nor replaced, and Failed is told. Requires Failed. Defaults to no file.
	File string
	// Failed is told of failures that callers may not see, because there are keys to go on with: of
	// fetches, and of reading and writing File. It may be called by several goroutines at once.
	Failed func(error)
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Remote is a [Source] of the public keys that an issuer publishes (RFC 7517 §5), for services that
// only verify: those at a URL ([NewRemote]), or those that the issuer's metadata names ([Discover]).
// It fetches the keys when one is needed, with at most one fetch at a time, and keeps them as long as
// Cache-Control says, within bounds. Unknown IDs cause at most one fetch in 30 seconds; in between
// they are refused at once. A key that left the set is gone after the next fetch. A key that stayed
// in the set keeps its value. If the host cannot be reached, the current keys are used for
// [RemoteConfig.MaxStale] longer.
//
// Remote follows no redirects and uses no cookies or proxies. A fetch may take 5 seconds, and each of
// its answers may have 256 KiB. Addresses must be public unless the configuration says otherwise (RFC
// 8725bis §3.10). Remote is safe for concurrent use. Nothing runs between fetches, so there is nothing
// to close.
type Remote struct {
	name     string // of the issuer or the URL, for errors
	config   RemoteConfig
	fetcher  *fetcher                  // of the keys, or nil if metadata says where they are
	metadata *metadata                 // or nil
	current  atomic.Pointer[remoteSet] // from the last successful fetch; nil before
	writing  sync.Mutex                // held while the file is written

	mu          sync.Mutex
	flight      *flight   // under way, or nil
	failure     error     // of the last fetch; nil if it worked
	lastAttempt time.Time // when the last fetch began
	lastUnknown time.Time // when the last fetch for an unknown key began
}

// Origin says where a set came from, and when.
type Origin struct {
	Issuer      string // as given to [Discover], or empty
	MetadataURL string // of the metadata that named KeysURL, or empty
	KeysURL     string
	FetchedAt   time.Time
}

// remoteSet is a set with the times until which it may be used.
type remoteSet struct {
	*Set
	origin     Origin
	text       []byte        // as it was fetched
	maxAge     time.Duration // as its answer said
	renewAfter time.Time     // start to fetch the next one, but do not wait for it
	freshUntil time.Time
	staleUntil time.Time
}

// flight is one fetch, shared by all callers that need it.
type flight struct{ done chan struct{} }

// NewRemote returns a source of the keys at a URL. It fetches nothing yet. The error lists every
// mistake in the configuration. The URL must use https. Only loopback hosts may use http, and they
// require [RemoteConfig.AllowPrivate].
func NewRemote(rawURL string, c RemoteConfig) (*Remote, error) {
	u, err := parseURL(rawURL, c.AllowPrivate)
	if c.MetadataURL != "" {
		err = errors.Join(err, errors.New("jwk: MetadataURL is for Discover, and this is the URL of keys"))
	}
	if err := errors.Join(err, c.check()); err != nil {
		return nil, err
	}
	return newRemote(&Remote{name: rawURL, fetcher: newFetcher(u, c)}, c), nil
}

func parseURL(rawURL string, allowPrivate bool) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errors.New("jwk: the URL is not one")
	}
	if err := checkURL(u, allowPrivate); err != nil {
		return nil, fmt.Errorf("jwk: %w", err)
	}
	return u, nil
}

// check finds mistakes in what all remote sets have in common.
func (c RemoteConfig) check() error {
	var mistakes []error
	if c.MaxAge < 0 || c.MaxAge != 0 && c.MaxAge < minMaxAge {
		mistakes = append(mistakes, fmt.Errorf("jwk: MaxAge is under %v", minMaxAge))
	}
	if c.File == "" {
		return errors.Join(mistakes...)
	}
	if c.Failed == nil {
		mistakes = append(mistakes, errors.New("jwk: File needs Failed, which is told if it cannot be written"))
	}
	if _, err := os.Stat(filepath.Dir(c.File)); err != nil {
		mistakes = append(mistakes, fmt.Errorf("jwk: the folder of File: %w", err))
	}
	return errors.Join(mistakes...)
}

// newRemote completes a remote set, with the keys of its file if there are any.
func newRemote(r *Remote, c RemoteConfig) *Remote {
	if c.MaxAge == 0 {
		c.MaxAge = time.Hour
	}
	if c.MaxStale == 0 {
		c.MaxStale = time.Hour
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	r.config = c
	r.recall()
	return r
}

// Key implements [Source]. It waits for a fetch only if there is no set yet, the current set is too
// old, or the ID is unknown. An empty ID means the only key, as for [Set.Key]. The error wraps
// [ErrUnknownKey], or [ErrUnavailable] if the host could not be reached or ctx is done.
func (r *Remote) Key(ctx context.Context, id string) (Key, error) {
	// Use the wall clock: the monotonic clock stops while a machine sleeps, and keys may be
	// withdrawn meanwhile.
	set, now := r.current.Load(), r.config.Now().Round(0)
	// A set fetched in the future means that the clock was set back. The age of the set is unknown.
	fresh := set != nil && !now.Before(set.origin.FetchedAt) && now.Before(set.freshUntil)
	if fresh {
		if key := set.find(id); key != nil {
			if !now.Before(set.renewAfter) {
				r.fetch(set, now, false)
			}
			return key, nil
		}
	}
	// If the set is fresh, the ID is unknown. Any token may contain such an ID.
	if f := r.fetch(set, now, fresh); f != nil && !r.isUsable(set, id, now) {
		if err := f.wait(ctx); err != nil {
			return nil, err
		}
	}
	return r.lookUp(id, now)
}

// Current returns the set in use, after fetching one if there is none yet. An error wraps
// [ErrUnavailable].
func (r *Remote) Current(ctx context.Context) (*Set, error) {
	if set := r.current.Load(); set != nil {
		return set.Set, nil
	}
	if f := r.fetch(nil, r.config.Now().Round(0), false); f != nil {
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

// Origin says where the set in use came from. It is the zero Origin if there is none yet.
func (r *Remote) Origin() Origin {
	if set := r.current.Load(); set != nil {
		return set.origin
	}
	return Origin{}
}

// isUsable reports whether a key of the set may be used while the next set is fetched. It may if
// the last fetch failed, so that an outage does not delay every request.
func (r *Remote) isUsable(set *remoteSet, id string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failure != nil && set != nil && now.Before(set.staleUntil) && set.find(id) != nil
}

// lookUp looks up a key in the current set. A missing key is unknown only if the last fetch
// succeeded.
func (r *Remote) lookUp(id string, now time.Time) (Key, error) {
	r.mu.Lock()
	set, failure := r.current.Load(), r.failure
	r.mu.Unlock()
	if set != nil && now.Before(set.staleUntil) {
		if key := set.find(id); key != nil {
			return key, nil
		}
		if failure == nil {
			return nil, set.unknown(id)
		}
	}
	if failure == nil { // the clock advanced a lot while the caller waited
		return nil, fmt.Errorf("%w: the keys of %s are too old", ErrUnavailable, r.name)
	}
	return nil, fmt.Errorf("%w: %w", ErrUnavailable, failure)
}

// fetch returns the fetch in progress, or starts one, for a caller to whom the set that it has seen is
// not enough. It returns nil if there is another set by now, or if the last fetch was too recent.
func (r *Remote) fetch(seen *remoteSet, now time.Time, unknown bool) *flight {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.flight != nil:
		return r.flight
	case r.current.Load() != seen:
		return nil
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
	// Do not use the caller's context, since others wait for the fetch too. It has its own timeout.
	go r.run(r.flight, now)
	return r.flight
}

// isWithin reports whether less than d has passed since then. If then is in the future, the clock
// was set back.
func isWithin(d time.Duration, then, now time.Time) bool {
	passed := now.Sub(then)
	return passed >= 0 && passed < d
}

func (r *Remote) run(f *flight, now time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	next, err := r.load(ctx, now)
	r.mu.Lock()
	r.flight, r.failure = nil, err
	if err == nil {
		r.current.Store(next)
	}
	r.mu.Unlock()
	close(f.done)
	// From here on nobody waits, so that neither a slow disk nor Failed delays a request.
	if err == nil {
		err = r.keep()
	}
	r.failed(err)
}

// failed tells the application of a failure.
func (r *Remote) failed(err error) {
	if err != nil && r.config.Failed != nil {
		r.config.Failed(err)
	}
}

func (r *Remote) load(ctx context.Context, now time.Time) (*remoteSet, error) {
	origin := Origin{FetchedAt: now}
	fetcher := r.fetcher
	if r.metadata != nil {
		var err error
		if fetcher, origin.MetadataURL, err = r.metadata.find(ctx); err != nil {
			return nil, err
		}
		origin.Issuer = r.metadata.issuer
	}
	origin.KeysURL = fetcher.url
	text, maxAge, err := fetcher.get(ctx, acceptSet)
	if err != nil {
		return nil, err
	}
	set, err := r.read(text, maxAge, origin)
	if err != nil {
		return nil, fmt.Errorf("reading the keys of %s: %w", fetcher.url, err)
	}
	if previous := r.current.Load(); previous != nil {
		set.keepValues(previous.Set)
	}
	return set, nil
}

// read reads a set that may be used for maxAge since it was fetched, within bounds.
func (r *Remote) read(text []byte, maxAge time.Duration, origin Origin) (*remoteSet, error) {
	set, err := r.config.Set.Parse(text)
	if err != nil {
		return nil, err
	}
	if set.secrets {
		return nil, fmt.Errorf("%w: it publishes a secret", ErrInvalidKey)
	}
	set.url = origin.KeysURL
	bounded := min(max(maxAge, minMaxAge), r.config.MaxAge)
	freshUntil := origin.FetchedAt.Add(bounded)
	return &remoteSet{
		Set:        set,
		origin:     origin,
		text:       text,
		maxAge:     maxAge,
		renewAfter: origin.FetchedAt.Add(bounded * 4 / 5),
		freshUntil: freshUntil,
		staleUntil: freshUntil.Add(max(r.config.MaxStale, 0)),
	}, nil
}

// keepValues replaces each public key with the previous set's value if they are equal, so that
// callers can compare keys by identity.
func (s *Set) keepValues(previous *Set) {
	for i, k := range s.keys {
		if before := previous.byID[k.ID()]; before != nil && equalKeys(k, before) {
			s.keys[i], s.byID[k.ID()] = before, before
		}
	}
}

// wait returns when the fetch is over, or with an error if ctx is done first.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
	}
}
