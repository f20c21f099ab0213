package server

import (
	"time"

	"github.com/hallpass-go/hallpass"
)

// The types of this file describe what the library reads and writes, for the document. The tests
// compare them with what really goes over the wire.

type credentials struct {
	Username string `json:"username" hallpass:"required" example:"alice"`
	Password string `json:"password" hallpass:"required" example:"correct horse battery"`
}

type passwordBody struct {
	Password string `json:"password" hallpass:"required" example:"correct horse battery"`
}

type refreshBody struct {
	RefreshToken string `json:"refresh_token" hallpass:"required" example:"$REFRESH"`
}

type logoutBody struct {
	RefreshToken string `json:"refresh_token"`
}

type tokenBody struct {
	Token string `json:"token" hallpass:"required" example:"$ACCESS"`
}

type tokensDocument struct {
	AccessToken      string `json:"access_token"`
	TokenType        string `json:"token_type" openapi:"enum=Bearer"`
	ExpiresIn        int64  `json:"expires_in"`
	RefreshToken     string `json:"refresh_token,omitempty"`
	RefreshExpiresIn int64  `json:"refresh_expires_in"`
	Scope            string `json:"scope"`
	SessionID        string `json:"session_id"`
}

type sessionDocument struct {
	ID         string    `json:"id"`
	Current    bool      `json:"current"`
	CreatedAt  time.Time `json:"created_at"`
	LastUsedAt time.Time `json:"last_used_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	IP         string    `json:"ip"`
	UserAgent  string    `json:"user_agent"`
}

type keySet struct {
	Keys []map[string]any `json:"keys"`
}

type stateDocument struct {
	Status string `json:"status" openapi:"enum=ok|ready"`
}

type problemDocument struct {
	Type      string                `json:"type"`
	Title     string                `json:"title"`
	Status    int                   `json:"status"`
	Code      string                `json:"code"`
	Detail    string                `json:"detail"`
	RequestID string                `json:"request_id"`
	Errors    []hallpass.FieldError `json:"errors,omitempty"`
}

// aboutMembers says what the members are whose names do not say it, of one document or of all.
var aboutMembers = map[string]string{
	"NewUser.username":         newUsername,
	"UserChanges.username":     newUsername,
	"NewUser.password":         newPassword,
	"UserChanges.password":     newPassword,
	"NewClient.name":           newClientName,
	"current_password":         "Goes with a new password of one's own.",
	"email":                    "It is not verified. Null for none.",
	"roles":                    "Each has 1 to 32 lower-case letters, digits, hyphens and underscores.",
	"disabled":                 "Whoever is disabled cannot log in.",
	"expires_in":               "Seconds until the access token expires.",
	"Tokens.refresh_token":     "Is used once: each refresh answers with the next.",
	"refresh_expires_in":       "Seconds until the refresh token expires if it is not used.",
	"scope":                    "Separated by spaces.",
	"current":                  "Whether it is the session of this request.",
	"Me.auth_time":             "When the password was given.",
	"Introspection.active":     "If it is false, there is no other member.",
	"Introspection.token_type": "Bearer, or refresh_token.",
	"Key.state":                "next, active or retired.",
	"Audit.actor_id":           "Who did it, if that is not the user.",
	"Problem.code":             "For programs: it does not change.",
	"Problem.detail":           "For people: what to do next.",
	"Problem.request_id":       "The log of the server has it, too.",
	"Problem.errors":           "With validation_failed: every member that does not fit.",
}

const (
	newUsername   = "1 to 64 letters, digits and punctuation, without colons and spaces. Case does not matter."
	newClientName = "1 to 64 lower-case letters, digits, dots, hyphens and underscores. It starts with a " +
		"letter or digit, and not with client-."
	newPassword = "At least as long as the server wants: 15 characters by default."
)
