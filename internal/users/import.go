package users

import (
	"context"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/account"
)

// The types of an import are those of package account.
type (
	ImportedUser   = account.ImportedUser
	Imported       = account.Imported
	ImportConfig   = account.ImportConfig
	DuplicateError = account.DuplicateError
)

// Import takes over users from another system. It is for one goroutine.
type Import struct {
	service *Service
	users   *account.Import
}

// Import returns an import.
func (s *Service) Import(c ImportConfig) *Import {
	return &Import{s, s.accounts.Import(c)}
}

// Add is [account.Import.Add]. The events of the users who were made are in the same transaction, as
// those of [Service.Create] are.
func (i *Import) Add(ctx context.Context, batch []ImportedUser) (results []Imported, err error) {
	if i.users.IsDryRun() {
		return i.users.Add(ctx, batch)
	}
	err = i.service.issuer.Atomically(ctx, func(ctx context.Context) error {
		if results, err = i.users.Add(ctx, batch); err != nil {
			return err
		}
		for _, r := range results {
			if r.User.ID == "" {
				continue
			}
			created := hallpass.Event{Name: EventCreated, Subject: r.User.ID, Reason: roles(r.User)}
			if err := i.service.issuer.Tell(ctx, created); err != nil {
				return err
			}
		}
		return nil
	})
	return results, err
}
