package account

import (
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxEmail = 254 // bytes, RFC 5321 §4.5.3.1.3 without the brackets
	maxRoles = 16
)

// AdminRole is the only role that has a meaning to the server: its users administer the server.
const AdminRole = "admin"

// defaultRole is the role of a new user.
const defaultRole = "user"

var roleName = regexp.MustCompile(`^[a-z0-9_-]{1,32}$`)

// checkEmail accepts an address that mail can be sent to, without a display name, comment or route.
// The empty string means no address and is allowed.
func checkEmail(email string) *FieldProblem {
	problem := func(code, detail string) *FieldProblem {
		return &FieldProblem{Field: "email", Code: code, Detail: detail}
	}
	switch {
	case email == "":
		return nil
	case len(email) > maxEmail:
		return problem("too_long", "An e-mail address has at most 254 bytes.")
	case strings.Count(email, "@") != 1, !utf8.ValidString(email), strings.ContainsFunc(email, isUnfitForEmail):
		return problem("invalid", "An e-mail address looks like name@example.org.")
	}
	address, err := mail.ParseAddress(email)
	if err != nil || address.Name != "" || address.Address != email {
		return problem("invalid", "An e-mail address looks like name@example.org, without a name or brackets.")
	}
	return nil
}

// isUnfitForEmail reports white space, control and invisible characters, and the brackets of an
// address literal, which would send mail to any reachable machine (RFC 5321 §4.1.3).
func isUnfitForEmail(r rune) bool {
	return r == '[' || r == ']' || unicode.IsSpace(r) || !unicode.IsGraphic(r)
}

// canonicalRoles returns the roles sorted, without duplicates.
func canonicalRoles(roles []string) ([]string, *FieldProblem) {
	for _, role := range roles {
		if !roleName.MatchString(role) {
			return nil, &FieldProblem{Field: "roles", Code: "invalid",
				Detail: "A role has 1 to 32 lower-case letters, digits, hyphens and underscores."}
		}
	}
	set := slices.Compact(slices.Sorted(slices.Values(roles)))
	if len(set) > maxRoles {
		return nil, &FieldProblem{
			Field:  "roles",
			Code:   "too_many",
			Detail: fmt.Sprintf("A user has at most %d roles.", maxRoles),
		}
	}
	return set, nil
}
