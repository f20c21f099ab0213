package server

import (
	"time"

	"github.com/hallpass-go/hallpass/internal/keyring"
	"github.com/hallpass-go/hallpass/internal/page"
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
func (s *Server) listKeys(r request) (answer, error) {
	keys, err := s.c.Keys.List(r.Context())
	items := []keyDocument{}
	for _, k := range keys {
		if k.State != keyring.Gone {
			items = append(items, newKeyDocument(k))
		}
	}
	return answer{Body: page.List[keyDocument]{Items: items}}, err
}

// rotateKeys makes the next key, or answers with the one that waits already.
func (s *Server) rotateKeys(r request) (answer, error) {
	if err := wantsNothing(r); err != nil {
		return answer{}, err
	}
	next, err := s.c.Keys.Rotate(byCaller(r), "")
	return answer{Body: newKeyDocument(next)}, err
}
