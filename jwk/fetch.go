package jwk

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	maxAnswerBytes = 256 << 10
	maxHeaderBytes = 16 << 10
)

// fetcher gets one URL and nothing else. An attacker who controls an issuer's answers must not be
// able to make this program call its neighbours.
type fetcher struct {
	url          string
	client       *http.Client
	allowPrivate bool
	loopbackOnly bool // the URL is plain http
}

func newFetcher(u *url.URL, c RemoteConfig) *fetcher {
	f := &fetcher{url: u.String(), allowPrivate: c.AllowPrivate, loopbackOnly: u.Scheme == "http"}
	dialer := &net.Dialer{Control: f.checkDial}
	f.client = &http.Client{
		// No proxy and no cookie jar. Keep-alives are off so that nothing keeps running after a
		// fetch.
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12},
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxHeaderBytes,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return f
}

// checkURL refuses URLs that must not be fetched from.
func checkURL(u *url.URL, allowPrivate bool) error {
	host := u.Hostname()
	address, err := netip.ParseAddr(host)
	isAddress := err == nil
	loopback := host == "localhost" || isAddress && address.Unmap().IsLoopback()
	switch {
	case u.Scheme != "https" && u.Scheme != "http" || host == "":
		return errors.New("the URL is not an https one with a host")
	case u.User != nil || u.Fragment != "":
		return errors.New("the URL holds a user or a fragment")
	case u.Scheme == "http" && !loopback:
		return errors.New("the URL is http: anybody on the way could put keys in; use https")
	case !allowPrivate && (loopback || isAddress && !isPublic(address)):
		return errors.New("the URL's host is not public; set AllowPrivate if it is yours")
	}
	return nil
}

// checkDial checks the address that is really dialled, after name resolution.
func (f *fetcher) checkDial(_, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	switch {
	case err != nil:
		return err
	case f.loopbackOnly && !target.Addr().Unmap().IsLoopback():
		return fmt.Errorf("%s is not a loopback address, and the URL is http", target.Addr())
	case !f.allowPrivate && !isPublic(target.Addr()):
		return fmt.Errorf("%s is not a public address; set AllowPrivate if it is yours", target.Addr())
	}
	return nil
}

// notPublic lists networks of the IANA special-purpose registries (RFC 6890) that netip does not
// recognise, or that lead to IPv4 addresses.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("3fff::/20"),
}

var publicIPv6 = netip.MustParsePrefix("2000::/3") // all that IANA has assigned

func isPublic(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	if !address.IsGlobalUnicast() || address.IsPrivate() || address.Is6() && !publicIPv6.Contains(address) {
		return false
	}
	return !slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(address) })
}

// The media types of what is fetched.
const (
	acceptSet      = "application/jwk-set+json, application/json"
	acceptMetadata = "application/json"
)

// statusError says that an answer has a status other than 200.
type statusError struct {
	url    string
	status int
}

func (e statusError) Error() string {
	text := fmt.Sprintf("%s answered %d", e.url, e.status)
	if e.status/100 == 3 {
		text += ", and redirects are not followed"
	}
	return text
}

// get returns the body of the answer and how long it may be used.
func (f *fetcher) get(ctx context.Context, accept string) ([]byte, time.Duration, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url, nil)
	if err != nil {
		return nil, 0, err
	}
	request.Header.Set("Accept", accept)
	response, err := f.client.Do(request)
	if err != nil {
		return nil, 0, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, 0, statusError{f.url, response.StatusCode}
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes+1))
	if err != nil {
		return nil, 0, fmt.Errorf("reading the answer of %s: %w", f.url, err)
	}
	if len(body) > maxAnswerBytes {
		return nil, 0, fmt.Errorf("%s answered with more than %d bytes", f.url, maxAnswerBytes)
	}
	return body, freshness(response.Header), nil
}

// freshness returns how long an answer may be used (RFC 9111 §4.2), or defaultMaxAge if the answer
// does not say.
func freshness(header http.Header) time.Duration {
	const longest = 365 * 24 * time.Hour
	for directive := range strings.SplitSeq(strings.Join(header.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			age, _ := strconv.ParseUint(header.Get("Age"), 10, 31)
			maxAge, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 64)
			if errors.Is(err, strconv.ErrRange) {
				return longest
			}
			lasts := time.Duration(min(maxAge, uint64(longest/time.Second))) * time.Second
			return min(lasts, longest) - time.Duration(age)*time.Second
		}
	}
	return defaultMaxAge
}
