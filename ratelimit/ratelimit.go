// Package ratelimit limits how often something may be done, by the caller, their address, or whatever
// else a key can name. It uses the generic cell rate algorithm (GCRA), which knows exactly when the
// next request is allowed. A [Limiter] is a middleware for net/http, and can be asked directly.
//
// Several limits are decided together: a request that one of them refuses does not use up the
// others. Counts are in the memory of the process unless [Config.Store] says otherwise.
package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Limit allows Burst requests at once, and then Burst more in each Per, evenly spread. The zero Limit
// allows everything.
type Limit struct {
	// Name is what clients see in the RateLimit fields: printable ASCII without quotes and
	// backslashes. Limits with one [Store] have different names.
	Name  string
	Burst int
	Per   time.Duration
}

// Charge is what one limit counts of a request.
type Charge struct {
	Limit Limit
	// Key is whom or what it is counted for.
	Key string
	// Cost is how many requests it counts as. A cost over Burst is never allowed. A negative cost
	// gives back what was charged before and is always allowed. Zero charges nothing.
	Cost int
}

// Decision is the answer to the charges of one request. If they are refused, it describes the limit
// with the longest wait, and otherwise the one that has the smallest part of its burst left.
type Decision struct {
	Allowed   bool
	Limit     Limit
	Remaining int // requests left now
	// RetryAfter is how long to wait before the same request is allowed. It is zero if it is allowed,
	// and also if its cost is over the burst: it is never allowed then.
	RetryAfter time.Duration
	Reset      time.Duration // until the whole burst is available again
}

// Refused is the error that says which limit was reached.
type Refused struct{ Decision }

// Error implements error.
func (r *Refused) Error() string { return "the limit " + r.Limit.Name + " is reached" }

// Store keeps counts. [Memory] is one. It is safe for concurrent use.
type Store interface {
	// Take makes all of the charges, or none of them if a limit refuses one, in one step: others see
	// all of it or nothing. No charge has the zero Limit. The time is now; a store that several
	// machines share may use a clock of its own. Take does not keep charges. It returns an error soon
	// if the store does not answer, because the request waits for it.
	Take(ctx context.Context, now time.Time, charges []Charge) (Decision, error)
}

// ErrUnavailable is the error of a [Limiter] that refuses because its store has failed.
var ErrUnavailable = errors.New("ratelimit: the store of the limits cannot be reached")

// Failure says what a [Limiter] does while its store fails.
type Failure int

const (
	// CountLocally applies the limits with counts in the memory of this process, which it keeps all
	// the time for this case. A limit then allows at most its rate in each process. It is the default.
	CountLocally Failure = iota
	// AllowAll lets every request pass.
	AllowAll
	// RefuseAll refuses every request with [ErrUnavailable], which clients see as 503.
	RefuseAll
)

// Config is what [New] needs. The zero Config is complete.
type Config struct {
	// Rules are the limits of [Limiter.Middleware]. Defaults to none.
	Rules []Rule
	// Store keeps the counts. Defaults to [NewMemory] with its defaults.
	Store Store
	// StoreFailure says what happens while the store fails. Defaults to [CountLocally].
	StoreFailure Failure
	// Failed is told the errors of the store. It must not block. Defaults to nobody.
	Failed func(context.Context, error)
	// Refuse answers a request that [Limiter.Middleware] refuses: err is a [*Refused], or
	// [ErrUnavailable]. Defaults to [WriteProblem].
	Refuse func(w http.ResponseWriter, r *http.Request, err error)
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Limiter applies limits. It is safe for concurrent use.
type Limiter struct {
	c     Config
	local *Memory // for CountLocally beside another store; otherwise nil
}

// New returns a limiter, or every mistake in c at once.
func New(c Config) (*Limiter, error) {
	if err := checkRules(c.Rules); err != nil {
		return nil, err
	}
	if c.StoreFailure < CountLocally || c.StoreFailure > RefuseAll {
		return nil, fmt.Errorf("ratelimit: StoreFailure is %d", c.StoreFailure)
	}
	if c.Store == nil {
		c.Store = NewMemory(0)
	}
	if c.Failed == nil {
		c.Failed = func(context.Context, error) {}
	}
	if c.Refuse == nil {
		c.Refuse = WriteProblem
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	l := &Limiter{c: c}
	if _, inMemory := c.Store.(*Memory); !inMemory && c.StoreFailure == CountLocally {
		l.local = NewMemory(0)
	}
	return l, nil
}

// Take makes all of the charges of one request. If a limit refuses one, it makes none of them and
// returns a [*Refused]. The only other error is [ErrUnavailable].
func (l *Limiter) Take(ctx context.Context, charges ...Charge) error {
	charges = limited(charges)
	if len(charges) == 0 {
		return nil
	}
	now := l.c.Now()
	d, err := l.c.Store.Take(ctx, now, charges)
	if err != nil {
		l.c.Failed(ctx, err)
		switch l.c.StoreFailure {
		case AllowAll:
			return nil
		case RefuseAll:
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		if l.local == nil {
			return fmt.Errorf("%w: %w", ErrUnavailable, err) // never: Memory does not fail
		}
		d, _ = l.local.Take(ctx, now, charges) // it cannot fail
	} else if l.local != nil && d.Allowed {
		_, _ = l.local.Take(ctx, now, charges) // so that a failure does not begin with empty counts
	}
	if !d.Allowed {
		return &Refused{d}
	}
	return nil
}

// limited returns the charges that have a limit, without a copy if that is all of them.
func limited(charges []Charge) []Charge {
	for i := range charges {
		if charges[i].Limit != (Limit{}) {
			continue
		}
		some := append([]Charge(nil), charges[:i]...)
		for _, c := range charges[i+1:] {
			if c.Limit != (Limit{}) {
				some = append(some, c)
			}
		}
		return some
	}
	return charges
}

// check returns what is wrong with a limit. The zero Limit is right.
func (l Limit) check() error {
	if l == (Limit{}) {
		return nil
	}
	for _, c := range []byte(l.Name) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return fmt.Errorf("ratelimit: the name %q of a limit is not printable ASCII without quotes", l.Name)
		}
	}
	switch {
	case l.Name == "":
		return errors.New("ratelimit: a limit has no Name")
	case l.Burst < 1:
		return fmt.Errorf("ratelimit: the limit %q has a Burst of %d", l.Name, l.Burst)
	case l.Per <= 0:
		return fmt.Errorf("ratelimit: the limit %q has a Per of %v", l.Name, l.Per)
	}
	return nil
}
