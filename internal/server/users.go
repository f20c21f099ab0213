package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/account"
	"github.com/hallpass-go/hallpass/internal/page"
)

var (
	errUsernameTaken = &hallpass.Error{Code: "username_taken", Status: http.StatusConflict, Detail: "Another user has this name, or had it lately. Choose another."}
	errLastAdmin     = &hallpass.Error{Code: "last_admin", Status: http.StatusConflict, Detail: "Nobody would be left to administer the server. Make another administrator first."}
)

// userDocument is a user as clients see one.
type userDocument struct {
	ID        string    `json:"id"`
	Username  string    `json:"username"`
	Email     *string   `json:"email"`
	Roles     []string  `json:"roles"`
	Disabled  bool      `json:"disabled"`
	CreatedAt time.Time `json:"created_at"`
}

func newUserDocument(u account.User) userDocument {
	d := userDocument{ID: u.ID, Username: u.Username, Roles: u.Roles, Disabled: u.Disabled, CreatedAt: u.CreatedAt}
	if u.Email != "" {
		d.Email = &u.Email
	}
	return d
}

// userFields are the members that a caller may not set; they are named here so that they are refused as forbidden, not as unknown.
type userFields struct {
	ID        refused `json:"id"`
	Roles     refused `json:"roles"`
	Disabled  refused `json:"disabled"`
	CreatedAt refused `json:"created_at"`
}

// refused is a member that is there although this caller may not set it.
type refused bool

// UnmarshalJSON implements json.Unmarshaler: whatever the value, it was there.
func (r *refused) UnmarshalJSON([]byte) error {
	*r = true
	return nil
}

func (f userFields) problems() []hallpass.FieldError {
	var problems []hallpass.FieldError
	for _, m := range []struct {
		name  string
		there refused
	}{{"id", f.ID}, {"roles", f.Roles}, {"disabled", f.Disabled}, {"created_at", f.CreatedAt}} {
		if m.there {
			problems = append(problems, hallpass.FieldError{Field: m.name, Code: "forbidden", Detail: "This member cannot be set here."})
		}
	}
	return problems
}

type signupRequest struct {
	userFields
	Username *string `json:"username"`
	Password *string `json:"password"`
	Email    address `json:"email"`
}

func (r signupRequest) validate() error {
	problems := r.problems()
	if r.Username == nil {
		problems = append(problems, missing("username"))
	}
	if r.Password == nil {
		problems = append(problems, missing("password"))
	}
	if problems != nil {
		return hallpass.InvalidFields(problems...)
	}
	return nil
}

func missing(field string) hallpass.FieldError {
	return hallpass.FieldError{Field: field, Code: "missing", Detail: "This member is required."}
}

// signup is open to anyone, or to administrators only, who must have logged in lately.
func (s *Server) signup(freshAdmin hallpass.Rule) http.Handler {
	create := http.HandlerFunc(s.createUser)
	if s.c.ClosedSignup {
		return s.auth.Require(freshAdmin)(create)
	}
	return create
}

func (s *Server) createUser(w http.ResponseWriter, r *http.Request) {
	var body signupRequest
	err := hallpass.ReadJSON(w, r, &body)
	if err == nil {
		err = body.validate()
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	n := account.NewUser{Username: *body.Username, Password: *body.Password}
	if body.Email.set != nil {
		n.Email = *body.Email.set
	}
	ip := s.client(r).IP
	if err := s.guard.signup(ip); err != nil {
		s.fail(w, r, err)
		return
	}
	user, err := s.accounts.Create(hashing(r.Context(), ip, false), n)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.c.Log.InfoContext(r.Context(), "user_created", "user_id", user.ID)
	w.Header().Set("Location", "/v1/users/"+user.ID)
	s.reply(w, r, http.StatusCreated, newUserDocument(user))
}

func (s *Server) listUsers(w http.ResponseWriter, r *http.Request, _ identity) {
	p, err := page.Parse(r.URL.Query())
	if err != nil {
		s.fail(w, r, pageError(err))
		return
	}
	users, err := s.accounts.List(r.Context(), p.After, p.Limit+1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	documents := make([]userDocument, len(users))
	for i, u := range users {
		documents[i] = newUserDocument(u)
	}
	s.reply(w, r, http.StatusOK, page.NewList(p, documents, func(d userDocument) string { return d.ID }))
}

func (s *Server) showUser(w http.ResponseWriter, r *http.Request, _ identity) {
	user, err := s.accounts.User(r.Context(), r.PathValue("id"))
	s.replyUser(w, r, user, err)
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

type changeRequest struct {
	userFields
	Username        *string `json:"username"`
	Email           address `json:"email"`
	Password        *string `json:"password"`
	CurrentPassword *string `json:"current_password"`
}

func (s *Server) changeUser(w http.ResponseWriter, r *http.Request, id identity) {
	var body changeRequest
	if err := hallpass.ReadJSON(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	proof, err := s.mayChange(r, id, body)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	changes := account.Changes{Username: body.Username, Email: body.Email.set, Password: body.Password, Proof: proof}
	if proof == nil {
		user, err := s.users.Change(hashing(r.Context(), s.client(r).IP, true), r.PathValue("id"), changes)
		s.replyUser(w, r, user, err)
		return
	}
	user, tokens, err := s.users.ChangeOwnPassword(hashing(r.Context(), s.client(r).IP, true), changes, id, s.client(r))
	if errors.Is(err, account.ErrCredentials) {
		err = errNotCurrent
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.reply(w, r, http.StatusOK, changedDocument{newUserDocument(user), tokens})
}

// changedDocument is the answer to a change of one's own password. It has the tokens by which the session goes on.
type changedDocument struct {
	userDocument
	Tokens hallpass.Tokens `json:"tokens"`
}

var errNotCurrent = hallpass.InvalidFields(hallpass.FieldError{
	Field: "current_password", Code: "wrong", Detail: "This is not your current password.",
})

// mayChange refuses members that cannot be set. It wants the current password of who changes their own, which proves as much as
// a fresh login does, and a fresh login of who changes their own name or address. The route has asked who changes somebody else
// for one already. A name is asked for last, so that it counts only when the answer could tell whether somebody has it.
// The proof is of the current password, where that is wanted.
func (s *Server) mayChange(r *http.Request, id identity, body changeRequest) (*account.Proof, error) {
	problems := body.problems()
	own := r.PathValue("id") == id.Subject
	wantsCurrent := own && body.Password != nil
	switch {
	case wantsCurrent && body.CurrentPassword == nil:
		problems = append(problems, missing("current_password"))
	case !wantsCurrent && body.CurrentPassword != nil:
		problems = append(problems, hallpass.FieldError{Field: "current_password", Code: "forbidden", Detail: "This member goes with a new password of one's own."})
	}
	if problems != nil {
		return nil, hallpass.InvalidFields(problems...)
	}
	if own && (body.Email.set != nil || body.Username != nil) && !s.isFresh(id) {
		e := *hallpass.ErrFreshTokenRequired
		e.MaxAge = freshFor
		return nil, &e
	}
	var proof *account.Proof
	if wantsCurrent {
		proved, err := s.provePassword(r.Context(), id.Subject, *body.CurrentPassword)
		if errors.Is(err, hallpass.ErrInvalidCredentials) {
			return nil, errNotCurrent
		}
		if err != nil {
			return nil, err
		}
		proof = &proved
	}
	if own && body.Username != nil {
		return proof, s.mayRename(id.Subject, *body.Username)
	}
	return proof, nil
}

func (s *Server) deleteUser(w http.ResponseWriter, r *http.Request, _ identity) {
	s.done(w, r, s.users.Delete(r.Context(), r.PathValue("id")))
}

type rolesRequest struct {
	Roles *[]string `json:"roles"`
}

func (s *Server) setRoles(w http.ResponseWriter, r *http.Request, _ identity) {
	var body rolesRequest
	if err := hallpass.ReadJSON(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	if body.Roles == nil {
		s.fail(w, r, hallpass.InvalidFields(missing("roles")))
		return
	}
	user, err := s.users.SetRoles(r.Context(), r.PathValue("id"), *body.Roles)
	s.replyUser(w, r, user, err)
}

func (s *Server) disable(w http.ResponseWriter, r *http.Request, _ identity) {
	if err := wantsNothing(w, r); err != nil {
		s.fail(w, r, err)
		return
	}
	user, err := s.users.Disable(r.Context(), r.PathValue("id"))
	s.replyUser(w, r, user, err)
}

// wantsNothing refuses a body that says anything: it would be passed over.
func wantsNothing(w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	return hallpass.ReadJSON(w, r, &struct{}{})
}

func (s *Server) enable(w http.ResponseWriter, r *http.Request, _ identity) {
	if err := wantsNothing(w, r); err != nil {
		s.fail(w, r, err)
		return
	}
	user, err := s.accounts.SetDisabled(r.Context(), r.PathValue("id"), false)
	s.replyUser(w, r, user, err)
}

func (s *Server) replyUser(w http.ResponseWriter, r *http.Request, user account.User, err error) {
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.reply(w, r, http.StatusOK, newUserDocument(user))
}

// Users changes users and, with them, their sessions: each deed is one transaction, so that it happens
// whole or not at all, whoever hangs up. The routes and the command line both go through it.
type Users struct {
	Accounts *account.Accounts
	Sessions Sessions
}

// Sessions is what a change of a user does to their sessions: a [hallpass.Issuer] whose store is in the
// database of the accounts.
type Sessions interface {
	RevokeSubject(ctx context.Context, subject string, with ...hallpass.Deed) error
	RevokeAccess(ctx context.Context, subject string, with ...hallpass.Deed) error
	RevokeOtherSessions(ctx context.Context, subject, except string, with ...hallpass.Deed) error
	ChangePassword(ctx context.Context, subject, sessionID string, client hallpass.Client, change hallpass.Deed) (hallpass.Tokens, error)
}

// Change changes a user's name, e-mail address or password. A new password ends every session.
func (u Users) Change(ctx context.Context, id string, c account.Changes) (user account.User, err error) {
	update, err := u.Accounts.Prepare(ctx, id, c)
	if err != nil {
		return account.User{}, err
	}
	if c.Password == nil {
		return update.Write(ctx)
	}
	err = u.Sessions.RevokeOtherSessions(ctx, id, "", func(ctx context.Context) error {
		user, err = update.Write(ctx)
		return err
	})
	return user, err
}

// ChangeOwnPassword is Change for who is logged in and has proved the current password. Every session
// ends but theirs, which goes on with the tokens returned.
func (u Users) ChangeOwnPassword(
	ctx context.Context, c account.Changes, id identity, client hallpass.Client,
) (user account.User, tokens hallpass.Tokens, err error) {
	update, err := u.Accounts.Prepare(ctx, id.Subject, c)
	if err != nil {
		return account.User{}, hallpass.Tokens{}, err
	}
	tokens, err = u.Sessions.ChangePassword(ctx, id.Subject, id.SessionID, client, func(ctx context.Context) error {
		user, err = update.Write(ctx)
		return err
	})
	return user, tokens, err
}

// SetRoles gives a user exactly these roles. Access tokens that say otherwise are refused from now on; a refresh brings one that does not.
func (u Users) SetRoles(ctx context.Context, id string, roles []string) (user account.User, err error) {
	err = u.Sessions.RevokeAccess(ctx, id, func(ctx context.Context) error {
		user, err = u.Accounts.SetRoles(ctx, id, roles)
		return err
	})
	return user, err
}

// Disable keeps a user from logging in and ends their sessions.
func (u Users) Disable(ctx context.Context, id string) (user account.User, err error) {
	err = u.Sessions.RevokeSubject(ctx, id, func(ctx context.Context) error {
		user, err = u.Accounts.SetDisabled(ctx, id, true)
		return err
	})
	return user, err
}

// Delete deletes a user and ends their sessions.
func (u Users) Delete(ctx context.Context, id string) error {
	return u.Sessions.RevokeSubject(ctx, id, func(ctx context.Context) error {
		return u.Accounts.Delete(ctx, id)
	})
}
