package httpcache

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// middleware is a handler behind the cache.
type middleware struct {
	cache *Cache
	route Route
	next  http.Handler
}

// ServeHTTP implements [http.Handler].
func (m *middleware) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, because := m.read(r)
	if because != "" {
		m.passBy(w, r, "bypass", because)
		return
	}
	found := "request"
	if !a.renew {
		now := m.cache.c.Now()
		var e *Entry
		if e, found = m.look(r, &a, now); e != nil {
			if !now.Before(e.Fresh) {
				m.renew(r, a)
			}
			e.write(w, r, m.cache, now, "")
			return
		}
	}
	switch {
	case a.onlyIf:
		addStatus(w.Header(), []string{m.cache.c.Name})
		http.Error(w, "The cache has no answer, and the request wants no other.", http.StatusGatewayTimeout)
	case r.Method == http.MethodHead:
		m.passBy(w, r, found, "method") // the answer to a HEAD has no body to keep
	case a.renew:
		lone := &flight{waiting: 1, done: make(chan struct{})}
		m.lead(w, r, a, lone, found)
	default:
		m.share(w, r, a, found)
	}
}

// passBy lets the handler answer as if there were no cache.
func (m *middleware) passBy(w http.ResponseWriter, r *http.Request, forward, because string) {
	if because == becauseMethod && forward == "bypass" {
		m.next.ServeHTTP(w, r) // a write, of which a cache has nothing to say
		return
	}
	addStatus(w.Header(), []string{m.cache.c.Name + "; fwd=" + forward + "; detail=" + because})
	m.next.ServeHTTP(w, r)
}

// look returns an answer that may be used now, or else nil and why there is none, as Cache-Status says
// it. The key of a becomes that of the answer.
func (m *middleware) look(r *http.Request, a *ask, now time.Time) (e *Entry, found string) {
	e, err := m.cache.c.Store.Get(r.Context(), a.base)
	found = "uri-miss"
	if err == nil && e != nil && e.Vary != nil {
		if !a.variant(r, e.Vary) {
			return nil, "vary-miss"
		}
		found = "vary-miss"
		e, err = m.cache.c.Store.Get(r.Context(), a.key)
	}
	switch {
	case err != nil:
		m.cache.c.Failed(r.Context(), fmt.Errorf("looking for an answer: %w", err))
		return nil, "miss"
	case e == nil:
		return nil, found
	case !now.Before(e.Ends) || e.Made.Sub(now) > m.route.TTL: // the latter if the clock was set back
		return nil, "stale"
	case a.stranger && !e.Public:
		return nil, "request"
	}
	return e, "hit"
}

// attempts is how often a request waits for another's answer that an invalidation then ends.
const attempts = 3

// share answers a request that equal requests may wait for, or that waits for one of them.
func (m *middleware) share(w http.ResponseWriter, r *http.Request, a ask, found string) {
	for range attempts {
		f, leads := m.cache.flights.join(a.key)
		if leads {
			m.lead(w, r, a, f, found)
			return
		}
		select {
		case <-f.done:
		case <-r.Context().Done():
			m.cache.flights.leave(f)
			m.passBy(w, r, found, "gave-up") // the handler sees that nobody waits
			return
		}
		if f.panicked != nil {
			panic(f.panicked)
		}
		// Looking again, instead of taking the other's answer, sees an invalidation that came after it
		// was begun, and Vary.
		now := m.cache.c.Now()
		e, _ := m.look(r, &a, now)
		if e != nil {
			e.write(w, r, m.cache, now, "fwd="+found+"; collapsed")
			return
		}
		if !f.kept {
			break
		}
	}
	m.passBy(w, r, found, "not-shared")
}

// lead makes the answer for itself and for those who wait. It goes on when its own client hangs up, as
// long as somebody else waits.
func (m *middleware) lead(w http.ResponseWriter, r *http.Request, a ask, f *flight, found string) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	m.cache.flights.onLeft(f, cancel)
	stop := context.AfterFunc(r.Context(), func() { m.cache.flights.leave(f) })
	defer stop()
	m.make(ctx, w, r, a, f, found)
}

// Renewals in the background: how long one may take, and how many there may be, since no client waits
// for them, and so nothing else bounds them.
const (
	renewal     = 30 * time.Second
	maxRenewals = 64
)

// renew makes an answer again in the background, unless somebody does already.
func (m *middleware) renew(r *http.Request, a ask) {
	select {
	case m.cache.renewed <- struct{}{}:
	default:
		return
	}
	f, leads := m.cache.flights.join(a.key)
	if !leads {
		m.cache.flights.leave(f)
		<-m.cache.renewed
		return
	}
	r = r.Clone(context.WithoutCancel(r.Context())) // the server reuses parts of its own
	r.Body, r.Method = http.NoBody, http.MethodGet
	go func() {
		defer func() { <-m.cache.renewed }()
		ctx, cancel := context.WithTimeout(r.Context(), renewal)
		defer cancel()
		defer func() {
			if p := recover(); p != nil {
				m.cache.c.Failed(ctx, fmt.Errorf("renewing an answer: the handler panicked: %v", p))
			}
		}()
		m.make(ctx, nil, r, a, f, "stale")
	}()
}

// make calls the handler, keeps its answer, and lets those who wait go on. It writes the answer to w,
// if that is not nil.
func (m *middleware) make(
	ctx context.Context, w http.ResponseWriter, r *http.Request, a ask, f *flight, found string,
) {
	complete := false
	defer func() { // those who wait learn of a panic, which goes on
		if complete {
			return
		}
		p := recover() // nil if the handler has ended its goroutine
		m.cache.flights.land(a.key, f, false, p)
		if p != nil {
			panic(p)
		}
	}()
	made := m.cache.c.Now()
	mark, err := m.cache.c.Store.Mark(ctx)
	if err != nil {
		m.cache.c.Failed(ctx, fmt.Errorf("making an answer: %w", err))
	}
	answer := &fill{w: w, r: r, max: m.cache.c.MaxBody}
	answer.judge = func(status int, h http.Header) string {
		if err != nil {
			return "store-failed"
		}
		return m.judge(&a, r, status, h)
	}
	answer.pass = func(because string) {
		m.cache.flights.land(a.key, f, false, nil)
		addStatus(answer.header, []string{m.cache.c.Name + "; fwd=" + found + "; detail=" + because})
	}
	answer.start()
	m.next.ServeHTTP(answer, answer.request(ctx))
	m.finish(ctx, answer, a, f, mark, made, found)
	complete = true
}

// finish keeps an answer that is complete, and then writes it.
func (m *middleware) finish(
	ctx context.Context, answer *fill, a ask, f *flight, mark Mark, made time.Time, found string,
) {
	if answer.status == 0 {
		answer.WriteHeader(http.StatusOK)
	}
	if answer.passing {
		return
	}
	flightKey := a.key
	e, because := m.entry(&a, answer, mark, made)
	if ctx.Err() != nil {
		because = "canceled" // the handler may have stopped half-way
	}
	if because != "" {
		answer.passOn(because)
		return
	}
	kept := m.keep(context.WithoutCancel(ctx), &a, e)
	m.cache.flights.land(flightKey, f, kept, nil)
	if answer.w == nil {
		return
	}
	answer.restoreHeader()
	status := "fwd=" + found
	if kept {
		status += "; stored"
	}
	e.write(answer.w, answer.r, m.cache, made, status)
}

// keep stores an answer and, if there are several to the same request, on what they depend.
func (m *middleware) keep(ctx context.Context, a *ask, e *Entry) bool {
	var err error
	if len(a.vary) > 0 {
		err = m.cache.c.Store.Set(ctx, a.base, &Entry{Vary: a.vary, Made: e.Made, Fresh: e.Fresh, Ends: e.Ends})
	}
	if err == nil {
		err = m.cache.c.Store.Set(ctx, a.key, e)
	}
	if err != nil {
		m.cache.c.Failed(ctx, fmt.Errorf("keeping an answer: %w", err))
	}
	return err == nil
}
