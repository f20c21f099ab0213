package server

import (
	"net/http"
	"strings"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/clients"
	"github.com/hallpass-go/hallpass/internal/openapi"
	"github.com/hallpass-go/hallpass/internal/users"
)

// access is who may send a request: as the rules that decide, and in the words and refusals of the
// document.
type access struct {
	words    string
	public   bool // everybody, without a token
	orClient bool // or a machine client with its secret, whom the rules do not concern
	rules    []hallpass.Rule
	refusals []*hallpass.Error // of the rules
	security openapi.Security  // if it does not follow from public
}

// rulesOfRoute are the rules that the library applies.
func (a access) rulesOfRoute() []hallpass.Rule {
	if a.orClient {
		return nil // tokenOrClient applies them
	}
	return a.rules
}

// Who may. Recent means that the login is at most users.FreshFor old.
var (
	anyone  = access{words: "anyone", public: true}
	machine = access{words: "programs on the same machine, unless --metrics-addr is set", public: true}
	caller  = access{words: "anyone with an access token"}
	user    = access{
		words:    "a user",
		rules:    []hallpass.Rule{isUser},
		refusals: []*hallpass.Error{hallpass.ErrInsufficientRole},
	}
	admin = access{
		words:    "an administrator",
		rules:    []hallpass.Rule{isAdmin},
		refusals: []*hallpass.Error{hallpass.ErrInsufficientRole},
	}
	freshAdmin = access{
		words:    "an administrator with a recent login",
		rules:    []hallpass.Rule{hallpass.AllOf(isAdmin, isFresh)},
		refusals: []*hallpass.Error{hallpass.ErrInsufficientRole, hallpass.ErrFreshTokenRequired},
	}
	selfOrAdmin = access{
		words:    "the user, and an administrator",
		rules:    []hallpass.Rule{hallpass.AnyOf(isSelf, isAdmin)},
		refusals: []*hallpass.Error{hallpass.ErrNotOwner, hallpass.ErrInsufficientRole},
	}
	selfOrFreshAdmin = access{
		words:    "the user, and an administrator with a recent login",
		rules:    []hallpass.Rule{hallpass.AnyOf(isSelf, hallpass.AllOf(isAdmin, isFresh))},
		refusals: []*hallpass.Error{hallpass.ErrNotOwner, hallpass.ErrInsufficientRole, hallpass.ErrFreshTokenRequired},
	}
	freshSelfOrAdmin = access{
		words:    "the user and an administrator, with a recent login",
		rules:    []hallpass.Rule{hallpass.AnyOf(isSelf, isAdmin), isFresh},
		refusals: []*hallpass.Error{hallpass.ErrNotOwner, hallpass.ErrInsufficientRole, hallpass.ErrFreshTokenRequired},
	}
	introspector = access{
		words: "an administrator, a service whose token has the scope introspect, and a machine client with its " +
			"secret, by HTTP Basic or in the form (client_id, client_secret)",
		orClient: true, security: openapi.TokenOrClient,
		rules:    []hallpass.Rule{hallpass.AnyOf(isAdmin, hallpass.Scope(introspectScope))},
		refusals: []*hallpass.Error{hallpass.ErrInsufficientRole},
	}

	// For whom that is, the handlers decide.
	holder = access{
		words: "anyone, and a machine client with its secret", public: true, security: openapi.OptionalClient,
	}

	// These two are decided by the library's handlers.
	eitherToken = access{
		words: "anyone with an access token or a refresh token", security: openapi.OptionalToken,
	}
	ownerOrAdmin = access{words: "whose session it is, and an administrator"}
)

var (
	isAdmin = hallpass.Role(users.AdminRole)
	isFresh = hallpass.Fresh(users.FreshFor)
	isSelf  = hallpass.AllOf(isUser, hallpass.Self("id"))
	isUser  = hallpass.Check(func(_ *http.Request, id hallpass.Identity[noClaims]) error {
		if strings.HasPrefix(id.Subject, clients.IDPrefix) {
			return hallpass.ErrInsufficientRole.WithDetail("This is for users, and the token is a machine client's.")
		}
		return nil
	})
)
