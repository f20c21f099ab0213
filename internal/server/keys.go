package server

import (
	"net/http"
	"time"

	"github.com/hallpass-go/hallpass/internal/keyring"
)

// keyDocument is a signing key as administrators see one: nothing of the key itself.
type keyDocument struct {
	ID          string     `json:"kid"`
	Algorithm   string     `json:"alg"`
	State       string     `json:"state"`
	CreatedAt   time.Time  `json:"created_at"`
	ActivatedAt *time.Time `json:"activated_at"`
	RetiredAt   *time.Time `json:"retired_at"`
}

func newKeyDocument(k keyring.KeyInfo) keyDocument {
	return keyDocument{
		ID: k.ID, Algorithm: string(k.Algorithm), State: string(k.State), CreatedAt: k.CreatedAt,
		ActivatedAt: orNull(k.ActivatedAt), RetiredAt: orNull(k.RetiredAt),
	}
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// listKeys shows the keys that verify: those that are gone are history.
func (s *Server) listKeys(w http.ResponseWriter, r *http.Request, _ identity) {
	keys, err := s.c.Keys.List(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	items := []keyDocument{}
	for _, k := range keys {
		if k.State != keyring.Gone {
			items = append(items, newKeyDocument(k))
		}
	}
	s.reply(w, r, http.StatusOK, struct {
		Items      []keyDocument `json:"items"`
		NextCursor *string       `json:"next_cursor"`
	}{items, nil})
}

// rotateKeys makes the next key, or answers with the one that waits already.
func (s *Server) rotateKeys(w http.ResponseWriter, r *http.Request, id identity) {
	if err := wantsNothing(w, r); err != nil {
		s.fail(w, r, err)
		return
	}
	next, err := s.c.Keys.Rotate(r.Context(), "")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.c.Log.InfoContext(r.Context(), "key_rotation", "kid", next.ID, "state", next.State, "actor_id", id.Subject)
	s.reply(w, r, http.StatusOK, newKeyDocument(next))
}
