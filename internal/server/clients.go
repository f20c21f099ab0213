package server

import (
	"net/http"
	"time"

	"github.com/hallpass-go/hallpass/internal/clients"
	"github.com/hallpass-go/hallpass/internal/page"
)

// clientDocument is a machine client as administrators see one.
type clientDocument struct {
	ID                string     `json:"id"`
	Name              string     `json:"name"`
	Scopes            []string   `json:"scopes"`
	Disabled          bool       `json:"disabled"`
	CreatedAt         time.Time  `json:"created_at"`
	SecretMadeAt      time.Time  `json:"secret_created_at"`
	PreviousExpiresAt *time.Time `json:"previous_secret_expires_at"`
}

func newClientDocument(c clients.Client) clientDocument {
	return clientDocument{
		ID: c.ID, Name: c.Name, Scopes: c.Scopes, Disabled: c.Disabled, CreatedAt: c.CreatedAt,
		SecretMadeAt: c.SecretMadeAt, PreviousExpiresAt: orNull(c.PreviousExpiresAt),
	}
}

// secretDocument is a client with its secret, which is shown this once.
type secretDocument struct {
	clientDocument
	Secret string `json:"client_secret"`
}

type newClient struct {
	Name   *string   `json:"name" hallpass:"required" openapi:"minLength=1,maxLength=64" example:"billing"`
	Scopes *[]string `json:"scopes" example:"[\"invoices.read\"]"`
}

func (s *Server) createClient(r request) (answer, error) {
	var body newClient
	if err := r.ReadJSON(&body); err != nil {
		return answer{}, err
	}
	var scopes []string
	if body.Scopes != nil {
		scopes = *body.Scopes
	}
	c, secret, err := s.clients.Create(byCaller(r), *body.Name, scopes)
	location := http.Header{"Location": {"/v1/clients/" + c.ID}}
	return answer{
		Status: http.StatusCreated, Header: location, Body: secretDocument{newClientDocument(c), secret},
	}, err
}

func (s *Server) listClients(r request) (answer, error) {
	p, err := page.Parse(r.Query)
	if err != nil {
		return answer{}, err
	}
	list, err := s.c.Clients.List(r.Context(), p.After, p.Limit+1)
	documents := make([]clientDocument, len(list))
	for i, c := range list {
		documents[i] = newClientDocument(c)
	}
	return answer{Body: page.NewList(p, documents, func(d clientDocument) string { return d.ID })}, err
}

func (s *Server) showClient(r request) (answer, error) {
	return clientAnswer(s.c.Clients.Client(r.Context(), r.PathValue("id")))
}

type rotation struct {
	Overlap *int64 `json:"overlap_seconds"`
}

func (s *Server) rotateClient(r request) (answer, error) {
	var body rotation
	if hasBody := r.ContentLength != 0; hasBody {
		if err := r.ReadJSON(&body); err != nil {
			return answer{}, err
		}
	}
	var overlap time.Duration
	if body.Overlap != nil {
		// What is too long for a Duration is too long in any case.
		overlap = time.Duration(min(max(*body.Overlap, -1), int64(clients.MaxOverlap/time.Second)+1)) * time.Second
	}
	c, secret, err := s.clients.Rotate(byCaller(r), r.PathValue("id"), overlap)
	return answer{Body: secretDocument{newClientDocument(c), secret}}, err
}

func (s *Server) disableClient(r request) (answer, error) {
	if err := wantsNothing(r); err != nil {
		return answer{}, err
	}
	return clientAnswer(s.clients.Disable(byCaller(r), r.PathValue("id")))
}

func (s *Server) enableClient(r request) (answer, error) {
	if err := wantsNothing(r); err != nil {
		return answer{}, err
	}
	return clientAnswer(s.clients.Enable(byCaller(r), r.PathValue("id")))
}

func (s *Server) deleteClient(r request) (answer, error) {
	return answer{}, s.clients.Delete(byCaller(r), r.PathValue("id"))
}

func clientAnswer(c clients.Client, err error) (answer, error) {
	return answer{Body: newClientDocument(c)}, err
}
