package hallpass

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass/internal/uid"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

// The feed of revocations is for services that verify tokens by themselves: what the issuer's store has recorded, page by page, each
// page a JWS of the issuer's key. A page is small enough to be a token like any other.
const (
	typeRevocations = "revocations+jwt"
	feedPageSize    = 50
	feedPageLife    = time.Minute // for clocks that are apart; a page is used when it comes
	maxFeedPage     = 16 << 10
)

// feedPage is what a page says beside the registered claims.
type feedPage struct {
	Since   int64       `json:"since"` // as asked
	Next    int64       `json:"next"`  // to ask for then
	More    bool        `json:"more"`  // there is another page now
	Entries []feedEntry `json:"entries"`
}

type feedEntry struct {
	Kind      RevocationKind `json:"kind"`
	ID        string         `json:"id"`
	Before    int64          `json:"before,omitempty"`
	ExpiresAt int64          `json:"exp"`
}

// RevocationPages serves the feed: GET with ?since=, the sequence number up to which the caller has it. When there is nothing new the answer
// is 304 to who sends the ETag. An issuer with an HMAC key has no feed: nobody else could verify it.
func (a *Auth[T]) RevocationPages() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		since, err := strconv.ParseInt(defaultTo(r.URL.Query().Get("since"), "0"), 10, 64)
		if err != nil || since < 0 {
			a.WriteError(w, r, InvalidFields(FieldError{Field: "since", Code: "invalid", Detail: "A sequence number of this feed, or nothing."}))
			return
		}
		now := a.Issuer.now()
		entries, err := a.Issuer.c.Store.Revocations(r.Context(), since, now, feedPageSize)
		if err != nil {
			a.WriteError(w, r, err)
			return
		}
		tag := fmt.Sprintf(`"%d"`, since)
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", tag)
		if len(entries) == 0 && r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		page, err := a.signPage(r.Context(), since, entries, now)
		if err != nil {
			a.WriteError(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/jwt")
		_, _ = io.WriteString(w, page)
	})
}

// signPage signs as many of the entries as a token can hold.
func (a *Auth[T]) signPage(ctx context.Context, since int64, entries []Revocation, now time.Time) (string, error) {
	key, err := a.c.Keys.SigningKey(ctx)
	if err != nil {
		return "", ErrStoreUnavailable.Because(err)
	}
	if _, isSecret := key.(*jwk.SecretKey); isSecret {
		return "", ErrNotFound
	}
	claims := jwt.Claims{
		Issuer: a.c.Issuer, Subject: "revocations", Audience: []string{a.c.Issuer}, ExpiresAt: now.Add(feedPageLife), IssuedAt: now, ID: uid.New(now),
	}
	for n := len(entries); ; n /= 2 {
		page := feedPage{Since: since, Next: since, More: n < len(entries) || n == feedPageSize, Entries: make([]feedEntry, n)}
		for i, e := range entries[:n] {
			page.Entries[i] = feedEntry{Kind: e.Kind, ID: e.ID, ExpiresAt: e.ExpiresAt.Unix() + 1}
			if e.Kind == RevokedSubject {
				page.Entries[i].Before = e.Before.Unix()
			}
			page.Next = e.Sequence
		}
		signed, err := jwt.Sign(key, typeRevocations, claims, page)
		if err == nil || n <= 1 {
			return signed, err
		}
	}
}

// StalePolicy is what a verifier does when it does not know any more what has been revoked.
type StalePolicy int

// The policies of [FeedConfig].
const (
	FailClosed StalePolicy = iota // refuse every token with [ErrStoreUnavailable]
	FailOpen                      // go by what is known
)

// FeedConfig says which feed a [RevocationFeed] follows.
type FeedConfig struct {
	// URL is the feed's: GET /v1/revocations of hallpass serve. Required.
	URL string
	// Issuer is whose feed it is, as in [VerifierConfig]. Required.
	Issuer string
	// Keys are the issuer's, as in [VerifierConfig]. Required.
	Keys jwk.Source
	// Interval is how often to ask. What is revoked is refused within it and a second. Defaults to 2 seconds.
	Interval time.Duration
	// MaxAge is how long ago the issuer may have answered last before OnStale applies. Defaults to 30 seconds.
	MaxAge time.Duration
	// OnStale is what happens then. Defaults to FailClosed.
	OnStale StalePolicy
	// Client asks. Defaults to one with a timeout of 5 seconds that follows no redirects.
	Client *http.Client
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// RevocationFeed keeps the [Revocations] of another service's [Issuer]. Give [RevocationFeed.Revocations] to a [Verifier] and call
// [RevocationFeed.Run]. It is safe for concurrent use.
type RevocationFeed struct {
	c        FeedConfig
	list     *Revocations
	verifier *jwt.Verifier
	sequence int64 // of Run alone
}

// NewRevocationFeed returns a feed that has not asked yet, or every mistake in c at once. Until [RevocationFeed.Run] has had its first answer a
// feed that fails closed is stale.
func NewRevocationFeed(c FeedConfig) (*RevocationFeed, error) {
	verifier, err := jwt.NewVerifier(jwt.Config{Issuer: c.Issuer, Audience: c.Issuer, Keys: c.Keys, Type: typeRevocations, Leeway: time.Minute})
	if u, urlErr := url.Parse(c.URL); urlErr != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		err = errors.Join(err, errors.New("hallpass: URL is not one of a feed"))
	}
	if c.Interval < 0 || c.MaxAge < 0 {
		err = errors.Join(err, errors.New("hallpass: Interval or MaxAge is negative"))
	}
	if err != nil {
		return nil, err
	}
	c.Interval, c.MaxAge = defaultTo(c.Interval, 2*time.Second), defaultTo(c.MaxAge, 30*time.Second)
	if c.Client == nil {
		c.Client = &http.Client{Timeout: 5 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	f := &RevocationFeed{c: c, list: NewRevocations(), verifier: verifier}
	if c.OnStale == FailClosed {
		f.list.freshUntil.Store(1)
	}
	return f, nil
}

// Revocations is the list that the feed keeps, for [VerifierConfig].
func (f *RevocationFeed) Revocations() *Revocations { return f.list }

// Run follows the feed until ctx ends. A failure is told to failed (which may be nil) and tried again at the next interval.
func (f *RevocationFeed) Run(ctx context.Context, failed func(error)) {
	tick := time.NewTicker(f.c.Interval)
	defer tick.Stop()
	for {
		if err := f.Update(ctx); err != nil && failed != nil && ctx.Err() == nil {
			failed(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Update asks for what is new, all pages of it. [RevocationFeed.Run] does so by itself; do not call both at once.
func (f *RevocationFeed) Update(ctx context.Context) error {
	for more := true; more; {
		asked := f.c.Now()
		page, unchanged, err := f.fetch(ctx)
		if err != nil {
			return fmt.Errorf("following revocations: %w", err)
		}
		if !unchanged {
			f.apply(page)
		}
		if more = !unchanged && page.More; !more && f.c.OnStale == FailClosed {
			f.list.freshUntil.Store(asked.Add(f.c.MaxAge).UnixNano())
		}
	}
	f.list.prune(f.c.Now().Unix())
	return nil
}

func (f *RevocationFeed) apply(page feedPage) {
	for _, e := range page.Entries {
		f.list.Apply(Revocation{Kind: e.Kind, ID: e.ID, Before: time.Unix(e.Before, 0), ExpiresAt: time.Unix(e.ExpiresAt, 0)})
	}
	f.sequence = page.Next
}

func (f *RevocationFeed) fetch(ctx context.Context) (page feedPage, unchanged bool, err error) {
	separator := "?"
	if strings.Contains(f.c.URL, "?") {
		separator = "&"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s%ssince=%d", f.c.URL, separator, f.sequence), nil)
	if err != nil {
		return feedPage{}, false, err
	}
	r.Header.Set("If-None-Match", fmt.Sprintf(`"%d"`, f.sequence))
	answer, err := f.c.Client.Do(r)
	if err != nil {
		return feedPage{}, false, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxFeedPage))
	switch {
	case err != nil:
		return feedPage{}, false, err
	case answer.StatusCode == http.StatusNotModified:
		return feedPage{}, true, nil
	case answer.StatusCode != http.StatusOK:
		return feedPage{}, false, fmt.Errorf("the feed answered %d", answer.StatusCode)
	}
	if _, err := f.verifier.Verify(ctx, strings.TrimSpace(string(text)), f.c.Now(), &page); err != nil {
		return feedPage{}, false, err
	}
	if page.Since != f.sequence || page.Next < page.Since {
		return feedPage{}, false, errors.New("the feed answered with another page than was asked for")
	}
	return page, false, nil
}
