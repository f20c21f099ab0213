package users

import "github.com/hallpass-go/hallpass/ratelimit"

// Limit is how often something may be done. The zero Limit means no limit.
type Limit = ratelimit.Limit

// Limits is the table of all limits of the server, a line for each purpose. docs/limits.md has their
// settings and defaults. The name of each limit is set by [Limits.Named].
type Limits struct {
	// LoginAccount limits wrong passwords for an account, at login, reauthentication and where a
	// change wants the current password.
	LoginAccount Limit
	// LoginAddress limits wrong passwords from a client address, for all accounts together.
	LoginAddress Limit
	// Signup limits sign-ups from a client address.
	Signup Limit
	// Rename limits the names that users may ask for, for themselves.
	Rename Limit
	// Refresh limits the refreshes of a session, and the tokens of a machine client.
	Refresh Limit
	// Introspection limits the tokens that a caller asks about.
	Introspection Limit
	// User limits all requests of a user.
	User Limit
	// Address limits all requests from a client address.
	Address Limit
}

// Named returns the limits with their names, by which clients see them.
func (l Limits) Named() Limits {
	for name, limit := range l.byName() {
		if *limit != (Limit{}) {
			limit.Name = name
		}
	}
	return l
}

// ByName returns the limit with a name, or the zero Limit if there is none.
func (l Limits) ByName(name string) Limit {
	if limit := l.byName()[name]; limit != nil {
		return *limit
	}
	return Limit{}
}

func (l *Limits) byName() map[string]*Limit {
	return map[string]*Limit{
		"account": &l.LoginAccount, "address": &l.LoginAddress, "signup": &l.Signup, "rename": &l.Rename,
		"refresh": &l.Refresh, "introspection": &l.Introspection,
		"requests-user": &l.User, "requests-address": &l.Address,
	}
}
