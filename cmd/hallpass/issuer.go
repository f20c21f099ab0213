package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"

	"github.com/hallpass-go/hallpass/jwk"
)

// tokenSettings say what tokens contain. The commands serve and token mint must agree on them.
type tokenSettings struct {
	Issuer   string `placeholder:"URL" help:"${token_issuer}"`
	Audience string `placeholder:"NAME" help:"API that the tokens are for, used as their aud. Defaults to the issuer."`
}

// maxAccessTTL is the longest lifetime of a token that verifiers accept by default.
const maxAccessTTL = jwk.MaxTokenLife

// mistakes returns all mistakes in the settings.
func (t tokenSettings) mistakes() []error {
	u, err := url.Parse(t.Issuer)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" ||
		u.Fragment != "" {
		return []error{fmt.Errorf("--issuer: %q is not a URL like https://auth.example", t.Issuer)}
	}
	return nil
}

func (t tokenSettings) audience() string {
	if t.Audience == "" {
		return t.Issuer
	}
	return t.Audience
}

func (s serveSettings) scheme() string {
	if s.TLSCert != "" || len(s.ACMEDomain) > 0 {
		return "https"
	}
	return "http"
}

// issuer returns the issuer of a server that listens on that address: the one that was given, or on
// loopback the URL of the listener with its real port. Elsewhere an issuer must be given.
func (s serveSettings) issuer(listening string) string {
	host, _, err := net.SplitHostPort(s.Addr)
	if s.Issuer != "" || err != nil || !isLoopback(host) {
		return s.Issuer
	}
	_, port, err := net.SplitHostPort(listening)
	if err != nil {
		return ""
	}
	return s.scheme() + "://" + net.JoinHostPort(host, port)
}

// lastServed is what a data folder records about the last server that was started on it.
type lastServed struct {
	Issuer   string `json:"issuer"`
	Audience string `json:"audience"`
}

func (c *commands) servedPath() string { return filepath.Join(c.Data, "served.json") }

// remember records the issuer and audience of a server, so that hallpass token mint uses the same. It
// warns if those of the server before were others: the tokens that it gave are refused from now on.
func (c *commands) remember(t tokenSettings, log *slog.Logger) {
	now := lastServed{Issuer: t.Issuer, Audience: t.audience()}
	before, err := c.lastServed()
	if err == nil && before != now {
		log.Warn("the server that was last started on this data folder had another issuer or audience: "+
			"its access tokens are refused here, and its clients need new ones by a refresh",
			"issuer", now.Issuer, "issuer_before", before.Issuer,
			"audience", now.Audience, "audience_before", before.Audience)
	}
	if err := writeWhole(c.servedPath(), now); err != nil {
		log.Warn("hallpass token mint will not know this server's issuer", "err", err)
	}
}

// lastServed returns what the data folder records.
func (c *commands) lastServed() (last lastServed, err error) {
	text, err := os.ReadFile(c.servedPath())
	if err == nil {
		err = json.Unmarshal(text, &last)
	}
	return last, err
}

// writeWhole writes a file of the data folder that only its owner can read. Readers see either the
// old content or the new one, never a part.
func writeWhole(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".next-*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

// likeServer fills in missing settings from the last server that was started, and warns of settings
// that this server would refuse.
func (c *commands) likeServer(t *tokenSettings, warnings io.Writer) error {
	last, err := c.lastServed()
	unknown := errors.Is(err, fs.ErrNotExist)
	if unknown && t.Issuer == "" {
		return usageError{
			errors.New(
				"--issuer: no server was started on " + c.Data +
					" yet: give --issuer and --audience as hallpass serve will have them",
			),
		}
	}
	if err != nil && !unknown {
		return fmt.Errorf(
			"reading what the server's tokens name: %w; start hallpass serve again, which writes %s anew",
			err,
			c.servedPath(),
		)
	}
	if t.Issuer == "" {
		t.Issuer = last.Issuer
	}
	if t.Audience == "" && t.Issuer == last.Issuer {
		t.Audience = last.Audience
	}
	if !unknown && (t.Issuer != last.Issuer || t.audience() != last.Audience) {
		fmt.Fprintf(
			warnings,
			"hallpass: the server that was started last on %s refuses this token: its issuer is "+
				"%s and its audience %s.\n",
			printable(c.Data),
			printable(last.Issuer),
			printable(last.Audience),
		)
	}
	return nil
}
