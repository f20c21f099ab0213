package server

import (
	"fmt"
	"net/http"
	"time"

	"github.com/hallpass-go/hallpass"
)

// securityTextLife is how long the text says that it holds. It is made anew each day.
const securityTextLife = 30 * 24 * time.Hour

// securityText tells whom to tell of a weakness (RFC 9116).
func (s *Server) securityText(request) (answer, error) {
	if s.c.SecurityContact == "" {
		return answer{}, hallpass.ErrNotFound
	}
	ends := s.c.Now().UTC().Truncate(24 * time.Hour).Add(securityTextLife)
	text := fmt.Sprintf("Contact: %s\nExpires: %s\n", s.c.SecurityContact, ends.Format(time.RFC3339))
	header := http.Header{"Cache-Control": publicFor}
	return answer{Header: header, Body: hallpass.Raw{ContentType: "text/plain; charset=utf-8", Text: []byte(text)}}, nil
}
