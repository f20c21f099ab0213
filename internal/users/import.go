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

// Add is [account.Import.Add]. It tells of each user who was made, as [Service.Create] does.
func (i *Import) Add(ctx context.Context, batch []ImportedUser) ([]Imported, error) {
	results, err := i.users.Add(ctx, batch)
	for _, r := range results {
		if r.User.ID != "" && !i.users.IsDryRun() {
			i.service.issuer.Tell(ctx, hallpass.Event{Name: EventCreated, Subject: r.User.ID, Reason: roles(r.User)})
		}
	}
	return results, err
}
