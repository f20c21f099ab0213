package hallpass

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hallpass-go/hallpass/internal/jose"
	"github.com/hallpass-go/hallpass/internal/uid"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
	"github.com/hallpass-go/hallpass/sessions"
)

// The feed of revocations lets services that verify tokens by themselves learn of revocations. It
// gives the issuer's record page by page. Each page is a JWS, signed with the issuer's key and
// small enough to be read as a token is.
const (
	typeRevocations = "revocations+jwt"
	feedPageSize    = 50
	feedPageLife    = time.Minute // for clocks that are apart
	feedPageReuse   = time.Second // how long one signature answers the same question
	maxFeedPage     = 16 << 10
)

// feedPage is the content of a page, beside the registered claims.
type feedPage struct {
	Epoch   string      `json:"epoch"`   // of the store's record: with another one the numbers mean nothing
	Highest int64       `json:"highest"` // number that was ever given
	Since   int64       `json:"since"`   // as asked
	Next    int64       `json:"next"`    // to ask for then
	More    bool        `json:"more"`    // there is another page now
	Entries []feedEntry `json:"entries"`
}

// feedEntry is a revocation as it is published. For a subject, ID is a hash: see hashSubject.
type feedEntry struct {
	Sequence  int64                   `json:"seq"`
	Kind      sessions.RevocationKind `json:"kind"`
	ID        string                  `json:"id,omitempty"`
	Before    int64                   `json:"before,omitempty"`
	ExpiresAt int64                   `json:"exp"`
}

// hashSubject returns the name of a subject in the feed. The feed is public: whoever holds a token
// of the subject can compute the name, and nobody else learns the IDs of users.
func hashSubject(issuer, subject string) string {
	sum := sha256.Sum256([]byte(issuer + "\x00" + subject))
	return jose.EncodeBase64(sum[:16])
}

// signedPage is the last page that was signed. The same question within [feedPageReuse] gets it
// again, so that one ETag always means one answer.
type signedPage struct {
	mu       sync.Mutex
	since    int64
	highest  int64
	issuedAt time.Time
	text     string
	etag     string
}

// RevocationPages serves the feed: GET with ?since=, the last sequence number that the caller has.
// A page's "iat" says how recent it is, so a new page is signed each second; within that second, a
// request with its ETag gets 304. An issuer with an HMAC key has no feed, because nobody else could
// verify it.
func (a *Auth[T]) RevocationPages() http.Handler {
	return a.Handler(Route[T]{Parameters: []string{"since"}, Public: true, Serve: a.revocationPage})
}

func (a *Auth[T]) revocationPage(r Request[T]) (Answer, error) {
	since, err := strconv.ParseInt(defaultTo(r.Query.Get("since"), "0"), 10, 64)
	if err != nil || since < 0 {
		return Answer{}, InvalidFields(FieldError{
			Field: "since", Code: "invalid", Detail: "A sequence number of this feed, or nothing.",
		})
	}
	text, etag, err := a.page(r.Context(), since)
	header := http.Header{"Cache-Control": {"no-cache"}, "Etag": {etag}}
	return Answer{Header: header, Body: Raw{"application/jwt", []byte(text)}}, err
}

// page returns the signed page that follows the number since, and its entity tag.
func (a *Auth[T]) page(ctx context.Context, since int64) (text, etag string, err error) {
	store, now := a.Issuer.c.Store, a.Issuer.now()
	page := feedPage{Since: since, Next: since}
	if page.Highest, err = a.sequence(ctx); err != nil {
		return "", "", err
	}
	last := &a.lastPage
	last.mu.Lock()
	defer last.mu.Unlock()
	age := now.Sub(last.issuedAt)
	asBefore := last.etag != "" && last.since == since && last.highest == page.Highest
	if asBefore && 0 <= age && age < feedPageReuse {
		return last.text, last.etag, nil
	}
	if page.Epoch, err = store.Epoch(ctx); err != nil {
		return "", "", storeError("reading the epoch", err)
	}
	entries, err := store.Revocations(ctx, since, now, feedPageSize)
	if err != nil {
		return "", "", storeError("reading revocations", err)
	}
	if text, err = a.signPage(ctx, page, entries, now); err != nil {
		return "", "", err
	}
	sum := sha256.Sum256([]byte(text))
	last.since, last.highest, last.issuedAt, last.text = since, page.Highest, now, text
	last.etag = `"` + jose.EncodeBase64(sum[:12]) + `"`
	return text, last.etag, nil
}

// signPage signs as many of the entries as a token can hold.
func (a *Auth[T]) signPage(
	ctx context.Context,
	page feedPage,
	entries []sessions.Revocation,
	now time.Time,
) (string, error) {
	key, err := a.c.Keys.SigningKey(ctx)
	if err != nil {
		return "", ErrStoreUnavailable.Because(err)
	}
	if _, isSecret := key.(*jwk.SecretKey); isSecret {
		return "", ErrNotFound
	}
	claims := jwt.Claims{
		Issuer: a.c.Issuer, Subject: "revocations", Audience: []string{a.c.Issuer},
		ExpiresAt: now.Add(feedPageLife), IssuedAt: now, ID: uid.New(now),
	}
	for n := len(entries); ; n /= 2 {
		page.More = n < len(entries) || n == feedPageSize
		page.Entries = make([]feedEntry, 0, n)
		for _, e := range entries[:n] {
			page.Next, page.Highest = e.Sequence, max(page.Highest, e.Sequence)
			if published, ok := a.publish(e); ok {
				page.Entries = append(page.Entries, published)
			}
		}
		signed, err := jwt.Sign(key, typeRevocations, claims, page)
		if err == nil || n <= 1 {
			return signed, err
		}
	}
}

// publish returns the published form of e, and false if verifiers do not need it.
func (a *Auth[T]) publish(e sessions.Revocation) (feedEntry, bool) {
	published := feedEntry{Sequence: e.Sequence, Kind: e.Kind, ID: e.ID, ExpiresAt: e.ExpiresAt.Unix() + 1}
	switch e.Kind {
	case sessions.RevokedCredentials:
		return feedEntry{}, false
	case sessions.RevokedSubject:
		published.ID, published.Before = hashSubject(a.c.Issuer, e.ID), e.Before.Unix()
	case sessions.RevokedAll:
		published.Before = e.Before.Unix()
	}
	return published, true
}

// StalePolicy says what a verifier does when its list of revocations is too old.
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
	// Interval is how often the feed is asked. A revocation takes effect within this time and a
	// second. Defaults to 2 seconds.
	Interval time.Duration
	// MaxAge is how old the issuer's last answer may be before OnStale applies. Defaults to 30
	// seconds.
	MaxAge time.Duration
	// OnStale says what happens then. Defaults to FailClosed.
	OnStale StalePolicy
	// Client sends the requests. Defaults to a client with a timeout of 5 seconds that follows no
	// redirects.
	Client *http.Client
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// RevocationFeed keeps the [Revocations] of another service's [Issuer]. Give
// [RevocationFeed.Revocations] to a [Verifier] and call [RevocationFeed.Run]. It is safe for
// concurrent use.
type RevocationFeed struct {
	c        FeedConfig
	list     *Revocations
	verifier *jwt.Verifier
	epoch    string // of Run alone: of the record that sequence belongs to
	sequence int64  // of Run alone
}

// NewRevocationFeed returns a feed, or every mistake in c at once. A feed that fails closed is
// stale until [RevocationFeed.Run] has its first answer.
func NewRevocationFeed(c FeedConfig) (*RevocationFeed, error) {
	verifier, err := jwt.NewVerifier(
		jwt.Config{Issuer: c.Issuer, Audience: c.Issuer, Keys: c.Keys, Type: typeRevocations, Leeway: time.Minute},
	)
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
		c.Client = &http.Client{
			Timeout:       5 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	f := &RevocationFeed{c: c, list: NewRevocations(), verifier: verifier}
	f.list.subjectKey = hashSubject
	if c.OnStale == FailClosed {
		f.list.freshUntil.Store(neverRead)
	}
	return f, nil
}

// Revocations is the list that the feed keeps, for [VerifierConfig].
func (f *RevocationFeed) Revocations() *Revocations { return f.list }

// Run follows the feed until ctx ends. It reports a failure to failed, which may be nil, and tries
// again at the next interval.
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

// Update asks for all pages that are new. [RevocationFeed.Run] calls it; do not call both at once.
func (f *RevocationFeed) Update(ctx context.Context) error {
	for more := true; more; {
		page, issuedAt, err := f.fetch(ctx)
		if err != nil {
			return fmt.Errorf("following revocations: %w", err)
		}
		if f.epoch != page.Epoch || page.Highest < f.sequence {
			// This is another record, or an older state of ours: begin again. Tokens that were
			// refused stay refused.
			anew := f.sequence != 0
			f.epoch, f.sequence = page.Epoch, 0
			if anew {
				continue
			}
		}
		f.apply(page)
		if more = page.More; !more && f.c.OnStale == FailClosed {
			f.list.freshUntil.Store(issuedAt.Add(f.c.MaxAge).UnixNano())
		}
	}
	f.list.prune(f.c.Now())
	return nil
}

func (f *RevocationFeed) apply(page feedPage) {
	for _, e := range page.Entries {
		f.list.Apply(sessions.Revocation{
			Sequence: e.Sequence, Kind: e.Kind, ID: e.ID, Before: time.Unix(e.Before, 0),
			ExpiresAt: time.Unix(e.ExpiresAt, 0),
		})
	}
	f.sequence = page.Next
}

// fetch asks for the page after f.sequence, and returns when the issuer made it. It sends no ETag:
// only a signed page proves that nothing is new.
func (f *RevocationFeed) fetch(ctx context.Context) (page feedPage, issuedAt time.Time, err error) {
	separator := "?"
	if strings.Contains(f.c.URL, "?") {
		separator = "&"
	}
	refuse := func(err error) (feedPage, time.Time, error) { return feedPage{}, time.Time{}, err }
	r, err := http.NewRequestWithContext(ctx, http.MethodGet,
		fmt.Sprintf("%s%ssince=%d", f.c.URL, separator, f.sequence), nil)
	if err != nil {
		return refuse(err)
	}
	answer, err := f.c.Client.Do(r)
	if err != nil {
		return refuse(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxFeedPage))
	if err != nil {
		return refuse(err)
	}
	if answer.StatusCode != http.StatusOK {
		return refuse(fmt.Errorf("the feed answered %d", answer.StatusCode))
	}
	now := f.c.Now()
	claims, err := f.verifier.Verify(ctx, strings.TrimSpace(string(text)), now, &page)
	if err != nil {
		return refuse(err)
	}
	if page.Since != f.sequence || page.Next < page.Since || page.Epoch == "" {
		return refuse(errors.New("the feed answered with another page than was asked for"))
	}
	issuedAt = claims.IssuedAt
	if issuedAt.After(now) {
		issuedAt = now // the issuer's clock is ahead, which makes nothing younger than it is
	}
	return page, issuedAt, nil
}
