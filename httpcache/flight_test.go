package httpcache_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hallpass-go/hallpass/httpcache"
)

// together sends n equal requests, the first before the others, and returns the answers.
func (f *fixture) together(n int, first *http.Request) []*httptest.ResponseRecorder {
	answers := make([]*httptest.ResponseRecorder, n)
	var all sync.WaitGroup
	for i := range answers {
		r := first
		if i > 0 {
			r = first.Clone(context.Background())
		}
		answers[i] = httptest.NewRecorder()
		all.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					fmt.Fprintf(answers[i], "panic %v", p)
				}
			}()
			f.handler.ServeHTTP(answers[i], r)
		})
		synctest.Wait()
	}
	all.Wait()
	return answers
}

func request() *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("User", "alice")
	return r
}

func TestSingleFlight_callsTheHandlerOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, httpcache.Route{}, slow(counted()))
		for i, w := range f.together(50, request()) {
			want := "hallpass; fwd=uri-miss; collapsed"
			if i == 0 {
				want = "hallpass; fwd=uri-miss; stored"
			}
			if w.Body.String() != "answer 1" || w.Header().Get("Cache-Status") != want {
				t.Errorf("%d: %s %v", i, w.Body, w.Header())
			}
		}
		f.wantCalls(1)
	})
}

func slow(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Second)
		if r.Context().Err() == nil {
			h(w, r)
		}
	}
}

// The client that came first hangs up; the others get the answer all the same.
func TestSingleFlight_outlivesTheFirstClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, httpcache.Route{}, slow(counted()))
		ctx, hangUp := context.WithCancel(t.Context())
		time.AfterFunc(time.Second/2, hangUp)
		for _, w := range f.together(5, request().WithContext(ctx))[1:] {
			if w.Body.String() != "answer 1" {
				t.Errorf("%s %v", w.Body, w.Header())
			}
		}
		f.wantCalls(1)
	})
}

// When the last client has hung up, the handler is told so, its answer is not kept, and who comes
// while it stops does not wait for it.
func TestSingleFlight_stopsWhenNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, httpcache.Route{}, func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
				time.Sleep(time.Second) // it stops slowly, and answers
				_, _ = w.Write([]byte("half"))
			case <-time.After(time.Minute):
				_, _ = w.Write([]byte("whole"))
			}
		})
		ctx, hangUp := context.WithTimeout(t.Context(), time.Second)
		defer hangUp()
		answers := make(chan string, 1)
		time.AfterFunc(1500*time.Millisecond, func() { answers <- f.do("GET /", alice).Body.String() })
		f.together(1, request().WithContext(ctx))
		if got := <-answers; got != "whole" {
			t.Errorf("who came while it stopped gets %q", got)
		}
		if got := f.do("GET /", alice).Body.String(); got != "whole" {
			t.Errorf("what was cut short was kept: %q", got)
		}
		f.wantCalls(2)
	})
}

// A handler that was told to stop may have written half of an answer without saying so.
func TestSingleFlight_keepsNothingThatWasCutShort(t *testing.T) {
	var told atomic.Int64
	f := newFixture(t, httpcache.Route{}, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "half")
		if told.Add(1) == 1 {
			<-r.Context().Done()
			return
		}
		fmt.Fprint(w, " and half")
	})
	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	f.handler.ServeHTTP(httptest.NewRecorder(), request().WithContext(ctx))
	if got := f.do("GET /", alice).Body.String(); got != "half and half" {
		t.Error(got)
	}
	f.wantCalls(2)
}

func TestSingleFlight_aPanicReachesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, httpcache.Route{}, slow(func(http.ResponseWriter, *http.Request) { panic("broken") }))
		for i, w := range f.together(5, request()) {
			if w.Body.String() != "panic broken" {
				t.Errorf("%d: %q", i, w.Body)
			}
		}
		f.wantCalls(1)
		f.together(1, request()) // nobody waits for ever
		f.wantCalls(2)
	})
}

func TestSingleFlight_survivesTheEndOfTheGoroutine(t *testing.T) {
	f := newFixture(t, httpcache.Route{}, func(http.ResponseWriter, *http.Request) { runtime.Goexit() })
	for range 2 {
		ended := make(chan struct{})
		go func() { defer close(ended); f.do("GET /", alice) }()
		<-ended
	}
	f.wantCalls(2)
}

// What is not kept is made for each: those who wait are let go as soon as that is clear.
func TestSingleFlight_sharesNothingThatIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		f := newFixture(t, httpcache.Route{}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Set-Cookie", "a=b")
			w.WriteHeader(http.StatusOK)
			time.Sleep(time.Hour)
		})
		f.together(5, request())
		f.wantCalls(5)
		if took := time.Since(begin); took != time.Hour {
			t.Errorf("one waited for another: %v", took)
		}
	})
}

// An answer that was begun before an invalidation is not kept after it, and who asks after it does not
// get it, although it is being made when they ask.
func TestInvalidate_endsWhatIsBeingMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var value atomic.Int64
		f := newFixture(t, httpcache.Route{}, func(w http.ResponseWriter, r *http.Request) {
			read := value.Load()
			time.Sleep(time.Second)
			httpcache.Tag(r.Context(), "value") // known late, and counts from the beginning
			fmt.Fprint(w, read)
		})
		time.AfterFunc(time.Second/2, func() {
			value.Add(1)
			if err := f.cache.Invalidate(context.Background(), "value"); err != nil {
				t.Error(err)
			}
			for range 3 {
				if got := f.do("GET /", alice).Body.String(); got != "1" {
					t.Errorf("after the write: %s", got)
				}
			}
		})
		if got := f.do("GET /", alice).Body.String(); got != "0" {
			t.Errorf("before the write: %s", got)
		}
		time.Sleep(time.Minute)
		if got := f.do("GET /", alice).Body.String(); got != "1" {
			t.Errorf("a minute after the write: %s", got)
		}
	})
}

// Each read sees the last write that was answered before it, while many write and read.
func TestInvalidate_aWriteIsVisibleToTheNextRead(t *testing.T) {
	const values = 4
	var written [values]atomic.Int64
	f := newFixture(t, httpcache.Route{
		Tags: func(r *http.Request) []string { return []string{r.URL.Path} },
	}, func(w http.ResponseWriter, r *http.Request) {
		read := written[r.URL.Path[1]-'0'].Load()
		for range rand.N(5) {
			runtime.Gosched()
		}
		fmt.Fprint(w, read)
	})
	var answered [values]atomic.Int64
	var writers [values]sync.Mutex
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 3000 {
				i := rand.N(values)
				path := fmt.Sprintf("/%d", i)
				if rand.N(10) == 0 {
					writers[i].Lock()
					now := written[i].Add(1)
					_ = f.cache.Invalidate(context.Background(), path)
					answered[i].Store(now)
					writers[i].Unlock()
					continue
				}
				least := answered[i].Load()
				var got int64
				_, _ = fmt.Sscan(f.do("GET "+path, alice).Body.String(), &got)
				if got < least {
					t.Errorf("%s is %d after the write of %d was answered", path, got, least)
				}
			}
		})
	}
	all.Wait()
	if calls := f.calls.Load(); calls > 18000 {
		t.Errorf("%d calls: nothing was cached", calls)
	}
}

func TestStaleFor_answersWhileItRenews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, httpcache.Route{StaleFor: time.Minute}, slow(counted()))
		get := func(want string) {
			t.Helper()
			if got := f.do("GET /", alice).Body.String(); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		get("answer 1")
		f.clock.Advance(90 * time.Second)
		begin := time.Now()
		for range 5 {
			get("answer 1")
			synctest.Wait()
		}
		if time.Since(begin) != 0 {
			t.Error("somebody waited")
		}
		time.Sleep(2 * time.Second)
		get("answer 2")
		f.wantCalls(2)
		f.clock.Advance(3 * time.Minute)
		get("answer 3")
		f.wantCalls(3)
	})
}

func TestStaleFor_ofWhatMustBeRevalidated(t *testing.T) {
	f := newFixture(t, httpcache.Route{StaleFor: time.Minute}, fields("Cache-Control", "must-revalidate, max-age=60"))
	f.do("GET /", alice)
	f.clock.Advance(90 * time.Second)
	if got := f.do("GET /", alice).Header().Get("Cache-Status"); !strings.Contains(got, "fwd=stale") {
		t.Error(got)
	}
}

// A panic in the background ends nothing, and is told.
func TestStaleFor_survivesAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan error, 1)
		calls := 0
		f := newFixture(t, httpcache.Route{StaleFor: time.Minute}, func(w http.ResponseWriter, _ *http.Request) {
			if calls++; calls > 1 {
				panic("broken")
			}
		}, func(c *httpcache.Config) { c.Failed = func(_ context.Context, err error) { told <- err } })
		f.do("GET /", alice)
		f.clock.Advance(90 * time.Second)
		f.do("GET /", alice)
		if err := <-told; !strings.Contains(err.Error(), "broken") {
			t.Error(err)
		}
	})
}

// However many answers are stale, few are renewed at a time, since no client waits for that.
func TestStaleFor_renewsFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int64
		var renewing atomic.Bool
		f := newFixture(t, httpcache.Route{StaleFor: time.Hour}, func(w http.ResponseWriter, _ *http.Request) {
			if renewing.Load() {
				most.Store(max(most.Load(), running.Add(1)))
				time.Sleep(time.Second)
				running.Add(-1)
			}
		})
		const answers = 500
		all := func() {
			for i := range answers {
				f.do(fmt.Sprintf("GET /%d", i), alice)
				synctest.Wait()
			}
		}
		all()
		f.clock.Advance(2 * time.Minute)
		renewing.Store(true)
		for range answers {
			all()
			time.Sleep(2 * time.Second)
			if f.calls.Load() == 2*answers {
				break
			}
		}
		if most.Load() != 64 {
			t.Errorf("%d at a time", most.Load())
		}
		f.wantCalls(2 * answers)
	})
}

// An answer that was begun earlier does not take the place of a newer one.
func TestMemory_keepsTheNewest(t *testing.T) {
	m, now := httpcache.NewMemory(0), time.Now()
	for _, c := range []struct {
		made time.Duration
		want string
	}{{1, "1ns"}, {3, "3ns"}, {2, "3ns"}, {4, "4ns"}} {
		e := &httpcache.Entry{Body: []byte(c.made.String()), Made: now.Add(c.made), Tags: []string{"a"}}
		if err := m.Set(t.Context(), httpcache.Key{}, e); err != nil {
			t.Fatal(err)
		}
		if got, err := m.Get(t.Context(), httpcache.Key{}); err != nil || string(got.Body) != c.want {
			t.Errorf("after %v: %v, %v", c.made, got, err)
		}
	}
}

// A clock that is set back makes no answer live longer than its TTL by the new time.
func TestTTL_whenTheClockIsSetBack(t *testing.T) {
	f := newFixture(t, httpcache.Route{}, counted())
	f.do("GET /", alice)
	f.clock.Advance(-time.Hour)
	for range 2 {
		if got := f.do("GET /", alice).Body.String(); got != "answer 2" {
			t.Error(got)
		}
	}
	f.clock.Advance(time.Minute)
	f.do("GET /", alice)
	f.wantCalls(3)
}

// failing is a store that has failed.
type failing struct{ httpcache.Store }

var errDown = errors.New("the store is down")

func (failing) Mark(context.Context) (httpcache.Mark, error) { return 0, errDown }
func (failing) Get(context.Context, httpcache.Key) (*httpcache.Entry, error) {
	return nil, errDown
}
func (failing) Invalidate(context.Context, ...string) error { return errDown }

// Without its store the handler answers each request, and whoever writes learns of it.
func TestStore_thatFails(t *testing.T) {
	var told atomic.Int64
	f := newFixture(t, httpcache.Route{}, counted(), func(c *httpcache.Config) {
		c.Store = failing{}
		c.Failed = func(_ context.Context, err error) {
			if errors.Is(err, errDown) {
				told.Add(1)
			}
		}
	})
	for i := range 3 {
		if got := f.do("GET /", alice).Body.String(); got != fmt.Sprintf("answer %d", i+1) {
			t.Error(got)
		}
	}
	if told.Load() != 6 {
		t.Errorf("%d errors were told", told.Load())
	}
	if err := f.cache.Invalidate(t.Context(), "a"); !errors.Is(err, errDown) {
		t.Error(err)
	}
}
