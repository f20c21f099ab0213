package server

import (
	"github.com/hallpass-go/hallpass"
)

func (s *Server) login(r request) (answer, error) {
	username, password, err := r.ReadCredentials()
	if err != nil {
		return answer{}, err
	}
	tokens, err := s.users.Login(r.Context(), hallpass.Login{
		Username: username, Password: password, Client: client(r.Request),
	})
	return answer{Body: tokens}, err
}

func (s *Server) reauthenticate(r request) (answer, error) {
	password, err := r.ReadPassword()
	if err != nil {
		return answer{}, err
	}
	tokens, err := s.users.Reauthenticate(
		r.Context(), r.Identity.Subject, r.Identity.SessionID, password, client(r.Request))
	return answer{Body: tokens}, err
}
