package jwk

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/hallpass-go/hallpass/internal/jose"
)

// Where an issuer publishes its metadata: OpenID Connect Discovery 1.0 §4 and RFC 8414 §3.
const (
	openIDMetadata = "/.well-known/openid-configuration"
	oauthMetadata  = "/.well-known/oauth-authorization-server"
)

// Discover returns a source of an issuer's keys from nothing but the issuer's URL, written exactly
// as the issuer's tokens have it ("iss"). Each fetch first reads the issuer's metadata, and then the
// keys where the metadata says (jwks_uri), so a change of that address is followed. The metadata is
// looked for where OpenID Connect Discovery 1.0 §4 says, and if there is none, where RFC 8414 §3.1
// says, unless [RemoteConfig.MetadataURL] is set. It must be of exactly this issuer: a slash more or
// less is an error. Discover itself fetches nothing; its error lists every mistake in the
// configuration. What [NewRemote] demands of a URL holds for all URLs here.
func Discover(issuer string, c RemoteConfig) (*Remote, error) {
	m, err := newMetadata(issuer, c)
	if err := errors.Join(err, c.check()); err != nil {
		return nil, err
	}
	return newRemote(&Remote{name: issuer, metadata: m}, c), nil
}

// metadata finds where an issuer publishes its keys.
type metadata struct {
	issuer   string
	config   RemoteConfig
	fetchers []*fetcher // of the places where the metadata may be, in the order to ask
}

func newMetadata(issuer string, c RemoteConfig) (*metadata, error) {
	places, err := metadataURLs(issuer, c)
	if err != nil {
		return nil, err
	}
	m := &metadata{issuer: issuer, config: c}
	for _, place := range places {
		u, err := url.Parse(place)
		if err != nil {
			return nil, errors.New("jwk: the issuer's URL is not one")
		}
		m.fetchers = append(m.fetchers, newFetcher(u, c))
	}
	return m, nil
}

func metadataURLs(issuer string, c RemoteConfig) ([]string, error) {
	if issuer == "" {
		return nil, errors.New("jwk: the issuer is empty")
	}
	if c.MetadataURL != "" {
		_, err := parseURL(c.MetadataURL, c.AllowPrivate)
		return []string{c.MetadataURL}, err
	}
	u, err := parseURL(issuer, c.AllowPrivate)
	if err != nil {
		return nil, err
	}
	if u.RawQuery != "" || u.ForceQuery { // RFC 8414 §2
		return nil, errors.New("jwk: the issuer's URL has a query: set MetadataURL")
	}
	host, path := u.Scheme+"://"+u.Host, strings.TrimSuffix(u.EscapedPath(), "/")
	return []string{host + path + openIDMetadata, host + oauthMetadata + path}, nil
}

// find reads the metadata. It returns how to get the keys that the metadata names, and where the
// metadata was.
func (m *metadata) find(ctx context.Context) (keys *fetcher, metadataURL string, err error) {
	var refusals []string
	for _, f := range m.fetchers {
		text, _, err := f.get(ctx, acceptMetadata)
		var refusal statusError
		switch {
		case errors.As(err, &refusal) && refusal.status/100 == 4:
			refusals = append(refusals, err.Error())
		case err != nil:
			return nil, "", fmt.Errorf("reading the metadata of %s: %w", m.issuer, err)
		default:
			keys, err := m.read(text)
			if err != nil {
				return nil, "", fmt.Errorf("the metadata at %s: %w", f.url, err)
			}
			return keys, f.url, nil
		}
	}
	return nil, "", fmt.Errorf(
		"found no metadata of %s: %s; if it is elsewhere, set MetadataURL, or give the URL of the keys",
		m.issuer, strings.Join(refusals, ", and "),
	)
}

// read returns how to get the keys that the text names (RFC 8414 §2). RFC 8414 §3.3: the issuer must
// be the one that was asked for.
func (m *metadata) read(text []byte) (*fetcher, error) {
	var named struct {
		Issuer  string `json:"issuer"`
		KeysURL string `json:"jwks_uri"`
	}
	if err := jose.DecodeKnownJSON(string(text), &named); err != nil {
		return nil, err
	}
	if named.Issuer != m.issuer {
		return nil, fmt.Errorf(
			"it says that the issuer is %.200q, and %.200q was asked for: if you mean the first, use exactly that",
			named.Issuer, m.issuer,
		)
	}
	u, err := url.Parse(named.KeysURL)
	if err != nil {
		return nil, errors.New("its jwks_uri is not a URL")
	}
	if err := checkURL(u, m.config.AllowPrivate); err != nil {
		return nil, fmt.Errorf("its jwks_uri is %.200q: %w", named.KeysURL, err)
	}
	return newFetcher(u, m.config), nil
}
