package server

import (
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/account"
	"github.com/hallpass-go/hallpass/internal/limit"
)

// renameLimit bounds how often somebody may ask for another name: five at once, then one every 4.8
// hours. A rename that is refused counts as well, because "taken" is what tells who there is.
var renameLimit = limit.Rate{Burst: 5, Per: 24 * time.Hour}

// mayRename counts a user's wish for a name, or refuses it with hallpass.ErrRateLimited. What
// cannot be anybody's name tells nothing and is not counted. The count is kept by the ID, which no
// rename changes.
func (s *Server) mayRename(subject, name string) error {
	if _, err := account.CanonicalUsername(name); err != nil {
		return nil // Update says what is wrong with it
	}
	d := s.renames.Allow(subject, s.c.Now())
	if d.Allowed {
		return nil
	}
	e := *hallpass.ErrRateLimited
	e.RetryAfter = d.RetryAfter
	e.Limit = &hallpass.RateLimit{
		Policy: "rename", Quota: d.Limit, Remaining: d.Remaining,
		Window: s.renames.Window(), Reset: d.ResetAfter,
	}
	return &e
}

// isFresh is the rule hallpass.Fresh(freshFor), for what depends on the body.
func (s *Server) isFresh(id identity) bool {
	return !id.AuthTime.IsZero() && s.c.Now().Sub(id.AuthTime) <= freshFor
}
