package jwk_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
)

// Tests of how the keys of a remote set change.

func TestRemote_aRemovedKeyIsGoneAfterAFetchForAnUnknownOne(t *testing.T) {
	key, next := generate(t, jwk.ES256).Public(), generate(t, jwk.ES256).Public()
	p := newPublisher(t, key)
	r := p.remote(t, nil)
	has(t, r, key.ID())
	p.publish(t, next)
	if !has(t, r, next.ID()) {
		t.Error("the next is not there")
	}
	if has(t, r, key.ID()) {
		t.Error("a key that was taken back is still there")
	}
}

func TestRemote_anotherKeyOfTheSameIDTakesItsPlace(t *testing.T) {
	first, second := with(document(t, jwk.ES256), "kid", "k"), with(document(t, jwk.ES256), "kid", "k")
	p := newPublisher(t, first)
	r := p.remote(t, nil)
	before, err := r.Key(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	old, err := parseSigning(t, marshal(t, first)).Sign([]byte("m"))
	if err != nil {
		t.Fatal(err)
	}
	p.publish(t, second)
	has(t, r, "unknown")
	after, err := r.Key(t.Context(), "k")
	if err != nil || after == before || after.Verify([]byte("m"), old) {
		t.Errorf("the key that was replaced is still in use: %v", err)
	}
}

func TestRemote_theSameKeyForAnotherAlgorithmIsAnotherValue(t *testing.T) {
	rs := with(document(t, jwk.RS256), "kid", "k")
	p := newPublisher(t, rs)
	r := p.remote(t, nil)
	before, err := r.Key(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	p.publish(t, with(rs, "alg", "PS256"))
	has(t, r, "unknown")
	if after, err := r.Key(t.Context(), "k"); err != nil || after == before || after.Algorithm() != jwk.PS256 {
		t.Errorf("got %v, %v", after, err)
	}
}

// A set is fetched again before it expires, and no caller waits for that.
func TestRemote_renewsWhileItsKeysAreUsed(t *testing.T) {
	key, next := generate(t, jwk.ES256).Public(), generate(t, jwk.ES256).Public()
	p := newPublisher(t, key)
	r := p.remote(t, nil)
	before, _ := r.Key(t.Context(), key.ID())
	release := make(chan struct{})
	text := setText(t, key, next)
	p.respond(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = w.Write(text)
	})
	p.advance(8*time.Minute + time.Second) // of 10 minutes
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	for range 50 {
		if now, err := r.Key(ctx, key.ID()); err != nil || now != before {
			t.Fatalf("while the host is asked: %v, %v", now, err)
		}
	}
	for begun := time.Now(); p.fetches.Load() < 2; time.Sleep(time.Millisecond) {
		if time.Since(begun) > 10*time.Second {
			t.Fatal("the host is not asked")
		}
	}
	close(release)
	if !has(t, r, next.ID()) {
		t.Error("the renewed set is not there")
	}
	if n := p.fetches.Load(); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
}

// All callers share a fetch, so it continues when the caller that started it gives up.
func TestRemote_aCallerThatGivesUpDoesNotEndTheFetch(t *testing.T) {
	key := generate(t, jwk.ES256).Public()
	p := newPublisher(t)
	r := p.remote(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	text := setText(t, key)
	p.respond(func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		<-gone
		_, _ = w.Write(text)
	})
	if _, err := r.Key(ctx, key.ID()); !errors.Is(err, jwk.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("the one that gave up: %v", err)
	}
	close(gone)
	if !has(t, r, key.ID()) {
		t.Error("the fetch ended with the caller that began it")
	}
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

// A host that sends only a byte now and then is given up after five seconds, even for callers
// without a deadline.
func TestRemote_givesUpAHostThatTakesItsTime(t *testing.T) {
	t.Parallel()
	p := newPublisher(t)
	p.respond(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte(" "))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(100 * time.Millisecond)
		}
	})
	begun := time.Now()
	if _, err := p.remote(t, nil).Key(t.Context(), "k"); !errors.Is(err, jwk.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begun); took < 4*time.Second || took > 15*time.Second {
		t.Errorf("took %v", took)
	}
}

// A host that fails is not asked again for every request.
func TestRemote_letsAHostThatFailedRest(t *testing.T) {
	key := generate(t, jwk.ES256).Public()
	p := newPublisher(t)
	p.respond(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	r := p.remote(t, nil)
	for range 3 {
		if _, err := r.Key(t.Context(), key.ID()); !errors.Is(err, jwk.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	}
	if n := p.fetches.Load(); n != 1 {
		t.Errorf("%d fetches within the 5 seconds, want 1", n)
	}
	p.publish(t, key)
	p.advance(5 * time.Second)
	if !has(t, r, key.ID()) {
		t.Error("not asked again after 5 seconds")
	}
}

func TestRemote_withoutMaxStaleKeepsNothing(t *testing.T) {
	key := generate(t, jwk.ES256).Public()
	p := newPublisher(t, key)
	r := p.remote(t, func(c *jwk.RemoteConfig) { c.MaxStale = -1 })
	has(t, r, key.ID())
	p.respond(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	p.advance(9*time.Minute + 59*time.Second)
	if !has(t, r, key.ID()) {
		t.Error("gone before its time")
	}
	p.advance(6 * time.Second)
	if found, err := r.Key(t.Context(), key.ID()); !errors.Is(err, jwk.ErrUnavailable) || found != nil {
		t.Errorf("got %v, %v", found, err)
	}
}

// MaxAge takes precedence over the host's answer.
func TestRemote_maxAgeIsTheLongest(t *testing.T) {
	key := generate(t, jwk.ES256).Public()
	p := newPublisher(t, key)
	r := p.remote(t, func(c *jwk.RemoteConfig) { c.MaxAge = time.Minute })
	has(t, r, key.ID())
	p.publish(t)
	p.advance(61 * time.Second)
	if has(t, r, key.ID()) {
		t.Error("a key that was taken back is there after MaxAge")
	}
}

// RFC 9111 §4.2.3: the time that an answer spent in caches counts.
func TestRemote_countsTheAgeOfAnAnswer(t *testing.T) {
	key := generate(t, jwk.ES256).Public()
	text := setText(t, key)
	p := newPublisher(t)
	p.respond(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		w.Header().Set("Age", "500")
		_, _ = w.Write(text)
	})
	r := p.remote(t, nil)
	has(t, r, key.ID())
	p.advance(101 * time.Second)
	has(t, r, key.ID())
	if n := p.fetches.Load(); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
}

// If the clock is set back, the age of the keys is unknown, so they are fetched again.
func TestRemote_aClockThatIsSetBack(t *testing.T) {
	key := generate(t, jwk.ES256).Public()
	p := newPublisher(t, key)
	r := p.remote(t, nil)
	has(t, r, key.ID())
	p.publish(t)
	p.advance(-24 * time.Hour)
	if has(t, r, key.ID()) {
		t.Error("a key that was taken back is used until the clock is where it was")
	}
	p.respond(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	p.advance(time.Hour)
	if _, err := r.Key(t.Context(), key.ID()); !errors.Is(err, jwk.ErrUnavailable) {
		t.Errorf("while the host is away: %v", err)
	}
	p.publish(t, key)
	p.advance(-24 * time.Hour)
	if !has(t, r, key.ID()) {
		t.Error("after a failure the host is not asked until the clock is where it was")
	}
}

// A caller that waits for a fetch that began long before the caller's time must not trust its
// result.
func TestRemote_aFetchThatBeganLongAgo(t *testing.T) {
	key := generate(t, jwk.ES256).Public()
	p := newPublisher(t)
	p.hold(t, time.Second, key)
	r := p.remote(t, nil)
	go func() { _, _ = r.Key(context.Background(), key.ID()) }()
	for p.fetches.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	p.advance(48 * time.Hour)
	_, err := r.Key(t.Context(), key.ID())
	if !errors.Is(err, jwk.ErrUnavailable) || bytes.Contains([]byte(err.Error()), []byte("%!")) {
		t.Errorf("got %v", err)
	}
}

func TestRemote_takesAnAnswerOfTheLongestLength(t *testing.T) {
	key := generate(t, jwk.ES256).Public()
	text := setText(t, key)
	text = append(text, bytes.Repeat([]byte(" "), 256<<10-len(text))...)
	p := newPublisher(t)
	p.respond(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(text) })
	if !has(t, p.remote(t, nil), key.ID()) {
		t.Error("not taken")
	}
}

// A set without any supported key is still an answer: the ID is unknown, not unavailable.
func TestRemote_anEmptySetIsAnAnswer(t *testing.T) {
	r := newPublisher(t, map[string]string{"kty": "AKP"}).remote(t, nil)
	if _, err := r.Key(t.Context(), "k"); !errors.Is(err, jwk.ErrUnknownKey) || errors.Is(err, jwk.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestRemote_plainHTTPIsForLoopback(t *testing.T) {
	key := generate(t, jwk.ES256).Public()
	text := setText(t, key)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if accept := r.Header.Get("Accept"); accept != "application/jwk-set+json, application/json" {
			t.Errorf("Accept: %s", accept)
		}
		_, _ = w.Write(text)
	}))
	defer server.Close()
	r, err := jwk.NewRemote(server.URL, jwk.RemoteConfig{AllowPrivate: true})
	if err != nil {
		t.Fatal(err)
	}
	if !has(t, r, key.ID()) {
		t.Error("not fetched")
	}
}
