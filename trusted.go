package hallpass

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

// TrustedIssuer is an issuer whose access tokens a [Verifier] accepts. Package issuers has ready
// ones for Auth0, Entra ID, Cognito, Keycloak, Okta, Firebase, Google and others.
type TrustedIssuer struct {
	// Issuer is compared exactly with a token's "iss". Required.
	Issuer string
	// Audience is the name of this API at the issuer, which must be one of the token's "aud".
	// Required.
	Audience string
	// Tokens says how the issuer writes its tokens. Defaults to RFC 9068.
	Tokens *jwt.Profile
	// Keys are the issuer's. Set it for keys that are not fetched. A set should be read as
	// Tokens.Keys says. Defaults to those that the issuer publishes.
	Keys jwk.Source
	// KeysURL is where the issuer publishes its keys. Defaults to what its metadata says
	// ([jwk.Discover]).
	KeysURL string
	// Remote says how the keys are fetched. Its Set is that of Tokens.
	Remote jwk.RemoteConfig
	// Revocations are checked for each token of this issuer. Defaults to none.
	Revocations *Revocations
}

// trusted is one issuer of a [Verifier].
type trusted struct {
	tokens      *jwt.Verifier
	keys        jwk.Source
	revocations *Revocations // never nil
}

// trusts returns the issuers of a verifier, or every mistake.
func (c VerifierConfig) trusts(leeway time.Duration) ([]*trusted, error) {
	var all []*trusted
	var mistakes []error
	add := func(t *trusted, err error) {
		all, mistakes = append(all, t), append(mistakes, err)
	}
	if c.Issuer != "" || c.Audience != "" || c.Keys != nil || len(c.Issuers) == 0 {
		add(newTrusted(jwt.Config{
			Issuer: c.Issuer, Audience: c.Audience, Keys: c.Keys, Leeway: leeway, MaxLifetime: c.MaxLifetime,
		}, c.Revocations))
	} else if c.Revocations != nil {
		mistakes = append(mistakes, errors.New("hallpass: Revocations are those of Issuer, which is empty"))
	}
	names := map[string]bool{c.Issuer: true}
	for _, t := range c.Issuers {
		add(t.trusted(leeway, c.Now))
		if names[t.Issuer] && t.Issuer != "" {
			mistakes = append(mistakes, fmt.Errorf("hallpass: Issuers has %s twice", t.Issuer))
		}
		names[t.Issuer] = true
	}
	return all, errors.Join(mistakes...)
}

func (t TrustedIssuer) trusted(leeway time.Duration, now func() time.Time) (*trusted, error) {
	var err error
	if t.Keys == nil && t.Issuer != "" {
		t.Keys, err = t.published(now)
	}
	made, tokensErr := newTrusted(jwt.Config{
		Issuer: t.Issuer, Audience: t.Audience, Keys: t.Keys, Leeway: leeway, Profile: t.Tokens,
	}, t.Revocations)
	if err = errors.Join(err, tokensErr); err != nil {
		return nil, fmt.Errorf("hallpass: issuer %q: %w", t.Issuer, err)
	}
	return made, nil
}

// published returns the keys that the issuer publishes.
func (t TrustedIssuer) published(now func() time.Time) (jwk.Source, error) {
	c := t.Remote
	if t.Tokens != nil {
		c.Set = t.Tokens.Keys
	}
	if c.Now == nil {
		c.Now = now
	}
	if t.KeysURL != "" {
		return jwk.NewRemote(t.KeysURL, c)
	}
	return jwk.Discover(t.Issuer, c)
}

func newTrusted(c jwt.Config, revocations *Revocations) (*trusted, error) {
	tokens, err := jwt.NewVerifier(c)
	if revocations == nil {
		revocations = NewRevocations()
	}
	return &trusted{tokens: tokens, keys: c.Keys, revocations: revocations}, err
}

// issuerOf returns the issuer whose keys and profile a token must satisfy.
func (v *Verifier[T]) issuerOf(token string) (*trusted, error) {
	if len(v.issuers) == 1 {
		return v.issuers[0], nil
	}
	i, err := jwt.Choose(token, v.among)
	if err != nil {
		return nil, err
	}
	return v.issuers[i], nil
}

// home returns the issuer whose subjects the IDs in paths are, for [Self]: the only one, or
// [VerifierConfig.Issuer]. It returns an empty string if there is none.
func (c VerifierConfig) home() string {
	if c.Issuer == "" && len(c.Issuers) == 1 && !strings.Contains(c.Issuers[0].Issuer, jwt.TenantPlace) {
		return c.Issuers[0].Issuer
	}
	return c.Issuer
}
