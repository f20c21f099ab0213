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
	RefreshToken     string `json:"refresh_token"`
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
