package limit

import (
	"container/list"
	"context"
	"slices"
	"sync"
)

// Places remembers from which places accounts were logged in to. A place is an address as it is
// counted; see [ratelimit.AddressKey]. One account, from however many places it is logged in to, makes
// those of no other be forgotten.
type Places interface {
	// Has reports whether the account was logged in to from the place. It is false for the name of an
	// account that does not exist.
	Has(ctx context.Context, account, place string) (bool, error)
	// Add remembers that the account was logged in to from the place.
	Add(ctx context.Context, account, place string) error
}

const (
	// maxAccounts limits the memory for places to about ten megabytes.
	maxAccounts = 1 << 15
	// maxPlaces is how many places of one account are remembered: who has an account and many
	// addresses takes no room of others.
	maxPlaces = 8
)

// memory are the [Places] of the accounts that were last logged in to, in the memory of the process.
type memory struct {
	mu       sync.Mutex
	accounts map[string]*list.Element // guarded by mu; in recent
	recent   list.List                // guarded by mu; of *visits, the last first
}

// visits are the places of an account, the last first.
type visits struct {
	account string
	places  []string
}

func newMemory() *memory { return &memory{accounts: map[string]*list.Element{}} }

// Has implements [Places].
func (m *memory) Has(_ context.Context, account, place string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, known := m.accounts[account]
	return known && slices.Contains(e.Value.(*visits).places, place), nil
}

// Add implements [Places].
func (m *memory) Add(_ context.Context, account, place string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, known := m.accounts[account]
	if !known {
		e = m.recent.PushFront(&visits{account: account})
		m.accounts[account] = e
	}
	m.recent.MoveToFront(e)
	v := e.Value.(*visits)
	v.places = slices.DeleteFunc(v.places, func(p string) bool { return p == place })
	v.places = slices.Insert(v.places[:min(len(v.places), maxPlaces-1)], 0, place)
	if oldest := m.recent.Back(); len(m.accounts) > maxAccounts {
		delete(m.accounts, m.recent.Remove(oldest).(*visits).account)
	}
	return nil
}
