package server

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/page"
	"github.com/hallpass-go/hallpass/internal/users"
)

// userDocument is a user as clients see one.
type userDocument struct {
	ID        string    `json:"id"`
	Username  string    `json:"username"`
	Email     *string   `json:"email" openapi:"format=idn-email,maxLength=254"`
	Roles     []string  `json:"roles"`
	Disabled  bool      `json:"disabled"`
	CreatedAt time.Time `json:"created_at"`
}

func newUserDocument(u users.User) userDocument {
	d := userDocument{ID: u.ID, Username: u.Username, Roles: u.Roles, Disabled: u.Disabled, CreatedAt: u.CreatedAt}
	if u.Email != "" {
		d.Email = &u.Email
	}
	return d
}

// userFields are the members that nobody may set: refused as forbidden, not as unknown.
type userFields struct {
	ID        json.RawMessage `json:"id" hallpass:"forbidden"`
	Roles     json.RawMessage `json:"roles" hallpass:"forbidden"`
	Disabled  json.RawMessage `json:"disabled" hallpass:"forbidden"`
	CreatedAt json.RawMessage `json:"created_at" hallpass:"forbidden"`
}

// address is an e-mail address, or null for none.
type address struct{ set *string }

// UnmarshalJSON implements json.Unmarshaler.
func (a *address) UnmarshalJSON(text []byte) error {
	var s *string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	if s == nil {
		s = new(string)
	}
	a.set = s
	return nil
}

type newUser struct {
	userFields
	Username *string `json:"username" hallpass:"required" openapi:"minLength=1" example:"alice"`
	Password *string `json:"password" hallpass:"required" openapi:"minLength=8" example:"correct horse battery"`
	Email    address `json:"email" openapi:"format=idn-email,nullable,maxLength=254"`
}

func (s *Server) createUser(r request) (answer, error) {
	var body newUser
	if err := r.ReadJSON(&body); err != nil {
		return answer{}, err
	}
	n := users.NewUser{Username: *body.Username, Password: *body.Password}
	if body.Email.set != nil {
		n.Email = *body.Email.set
	}
	user, err := s.users.SignUp(byCaller(r), n, client(r.Request))
	location := http.Header{"Location": {"/v1/users/" + user.ID}}
	return answer{Status: http.StatusCreated, Header: location, Body: newUserDocument(user)}, err
}

func (s *Server) listUsers(r request) (answer, error) {
	p, err := page.Parse(r.Query)
	if err != nil {
		return answer{}, err
	}
	list, err := s.c.Accounts.List(r.Context(), p.After, p.Limit+1)
	documents := make([]userDocument, len(list))
	for i, u := range list {
		documents[i] = newUserDocument(u)
	}
	return answer{Body: page.NewList(p, documents, func(d userDocument) string { return d.ID })}, err
}

func (s *Server) showUser(r request) (answer, error) {
	return userAnswer(s.c.Accounts.User(r.Context(), r.PathValue("id")))
}

// changedDocument is the answer to a change of one's own password. It has the tokens by which the
// session goes on.
type changedDocument struct {
	userDocument
	Tokens hallpass.Tokens `json:"tokens"`
}

type userChanges struct {
	userFields
	Username        *string `json:"username" openapi:"minLength=1"`
	Email           address `json:"email" openapi:"format=idn-email,nullable,maxLength=254" example:"alice@example.com"`
	Password        *string `json:"password" openapi:"minLength=8"`
	CurrentPassword *string `json:"current_password"`
}

// changeUser changes the caller themselves or, for an administrator with a fresh login, somebody
// else.
func (s *Server) changeUser(r request) (answer, error) {
	var body userChanges
	if err := r.ReadJSON(&body); err != nil {
		return answer{}, err
	}
	id, changes := r.PathValue("id"), users.Changes{
		Username: body.Username, Email: body.Email.set, Password: body.Password,
	}
	if id != r.Identity.Subject {
		if body.CurrentPassword != nil {
			return answer{}, errStrayCurrent
		}
		return userAnswer(s.users.Change(ifMatches(r), id, changes, client(r.Request)))
	}
	caller := users.Caller{
		ID: id, SessionID: r.Identity.SessionID, AuthTime: r.Identity.AuthTime, Client: client(r.Request),
	}
	user, tokens, err := s.users.ChangeOwn(ifMatches(r), caller, changes, body.CurrentPassword)
	if err != nil || tokens == nil {
		return userAnswer(user, err)
	}
	return answer{Body: changedDocument{newUserDocument(user), *tokens}}, nil
}

func (s *Server) deleteUser(r request) (answer, error) {
	return answer{}, s.users.Delete(ifMatches(r), r.PathValue("id"))
}

type rolesBody struct {
	Roles *[]string `json:"roles" hallpass:"required" example:"[\"user\",\"editor\"]"`
}

func (s *Server) setRoles(r request) (answer, error) {
	var body rolesBody
	if err := r.ReadJSON(&body); err != nil {
		return answer{}, err
	}
	return userAnswer(s.users.SetRoles(ifMatches(r), r.PathValue("id"), *body.Roles))
}

func (s *Server) disable(r request) (answer, error) {
	if err := wantsNothing(r); err != nil {
		return answer{}, err
	}
	return userAnswer(s.users.Disable(ifMatches(r), r.PathValue("id")))
}

func (s *Server) enable(r request) (answer, error) {
	if err := wantsNothing(r); err != nil {
		return answer{}, err
	}
	return userAnswer(s.users.Enable(ifMatches(r), r.PathValue("id")))
}

// wantsNothing refuses a body that says anything: it would be passed over.
func wantsNothing(r request) error {
	if r.ContentLength == 0 {
		return nil
	}
	return r.ReadJSON(&struct{}{})
}

func userAnswer(user users.User, err error) (answer, error) {
	return answer{Header: http.Header{"Etag": {etagOf(user)}}, Body: newUserDocument(user)}, err
}

// etagOf is the entity tag of a user's document.
func etagOf(user users.User) string {
	text, err := json.Marshal(newUserDocument(user))
	if err != nil {
		return "" // never: text and times
	}
	sum := sha256.Sum256(text)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// ifMatches is byCaller, and lets a user be changed only if they are still as the client has read them,
// if it sends that condition (If-Match, RFC 9110 §13.1.1).
func ifMatches(r request) context.Context {
	tags := r.Header.Values("If-Match")
	if len(tags) == 0 {
		return byCaller(r)
	}
	return users.OnlyIf(byCaller(r), func(user users.User) error {
		for tag := range strings.SplitSeq(strings.Join(tags, ","), ",") {
			if tag = strings.TrimSpace(tag); tag == "*" || tag == etagOf(user) {
				return nil
			}
		}
		return errChangedSince
	})
}

// byCaller lets the events of what is done say who did it.
func byCaller(r request) context.Context {
	return hallpass.WithActor(r.Context(), r.Identity.Subject)
}
