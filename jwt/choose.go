package jwt

import (
	"strings"

	"github.com/hallpass-go/hallpass/internal/jose"
)

// Choose returns the number of the verifier whose issuer a token names in "iss". Nothing of the
// token is verified by that: it only decides whose keys and whose profile the token must satisfy,
// all of it. The error is that of [Verifier.Verify] if the token is malformed or names none of the
// issuers.
func Choose(token string, among []*Verifier) (int, error) {
	first, second, err := dots(token)
	if err != nil {
		return 0, err
	}
	payload, ok := decodeSegment(token[first+1 : second])
	if !ok {
		return 0, errPayloadBase64
	}
	issuer := unverifiedIssuer(payload)
	chosen := -1
	for i, v := range among {
		switch isTemplate := v.layout != nil && v.layout.issuer != ""; {
		case !isTemplate && v.c.Issuer == issuer:
			return i, nil // before a template that it may fit as well
		case isTemplate && isFromTemplate(v.c.Issuer, issuer):
			chosen = i
		}
	}
	if chosen < 0 {
		return 0, errIssuer
	}
	return chosen, nil
}

// unverifiedIssuer returns the "iss" of a payload, or an empty string.
func unverifiedIssuer(payload string) string {
	s := jose.NewScanner(payload)
	members := s.Object()
	for name, ok := members.Next(&s); ok; name, ok = members.Next(&s) {
		if name == "iss" {
			issuer, _ := s.String()
			return issuer
		}
		s.Skip()
	}
	return ""
}

// isFromTemplate reports whether an issuer is a template with a UUID in its place.
func isFromTemplate(template, issuer string) bool {
	before, _, _ := strings.Cut(template, TenantPlace)
	const uuid = 36
	if len(issuer) < len(before)+uuid {
		return false
	}
	return isTenantOf(template, issuer, issuer[len(before):len(before)+uuid])
}
