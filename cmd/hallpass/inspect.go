package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hallpass-go/hallpass/internal/jose"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

type tokenInspectCommand struct {
	Token    string        `arg:"" optional:"" default:"-" help:"${token_inspect_token}"`
	Keys     string        `placeholder:"FILE" help:"JWK set of the issuer. Without it the signature is not checked."`
	Issuer   string        `placeholder:"URL" help:"Expected issuer of the token."`
	Audience string        `placeholder:"NAME" help:"Expected audience of the token."`
	At       *int64        `placeholder:"UNIX-SECONDS" help:"Time at which the token must be valid. Defaults to now."`
	Leeway   time.Duration `default:"30s" help:"Allowed difference between clocks. Default: ${default}."`
}

// inspection holds the findings about one token. This is the only code that reads a token without
// verifying it, to show it to a person.
type inspection struct {
	c      *tokenInspectCommand
	w      io.Writer
	failed bool
	now    time.Time

	header, payload map[string]json.RawMessage
}

// Run prints a line for each check: passed, failed and why, or not done and why.
func (c *tokenInspectCommand) Run(ctx context.Context, std streams) error {
	token := c.Token
	if token == "-" {
		line, err := lineReader{bufio.NewReader(std.in)}.next()
		if err != nil {
			return usageError{errors.New("give a token, or one on standard input")}
		}
		token = line
	}
	i := &inspection{c: c, w: std.out, now: (&tokenVerifyCommand{At: c.At}).time()}
	var set *jwk.Set
	if c.Keys != "" {
		var err error
		if set, err = readKeys(c.Keys); err != nil {
			return usageError{err}
		}
	}
	if segments, ok := i.form(token); ok {
		i.readHeader(segments[0])
		i.readPayload(segments[1])
		i.signature(ctx, set, token)
		i.claims()
	}
	if i.failed {
		return errors.New("the token is not valid")
	}
	if set == nil {
		fmt.Fprintln(
			i.w,
			"\nNothing above proves who made the token: no key was given. Give the issuer's with --keys.",
		)
	}
	return nil
}

func (i *inspection) check(name string, ok bool, detail string) bool {
	word := "passed"
	if !ok {
		word, i.failed = "FAILED", true
	}
	fmt.Fprintf(i.w, "%-10s %-11s %s\n", word, name, printable(detail))
	return ok
}

func (i *inspection) skip(name, why string) {
	fmt.Fprintf(i.w, "%-10s %-11s %s\n", "not done", name, printable(why))
}

func (i *inspection) form(token string) ([]string, bool) {
	if !i.check("size", token != "" && len(token) <= 8192, fmt.Sprintf("%d bytes, of at most 8192", len(token))) {
		return nil, false
	}
	segments := strings.Split(token, ".")
	if !i.check("form", len(segments) == 3, fmt.Sprintf("%d segments, of 3 in a signed token", len(segments))) {
		return nil, false
	}
	return segments, true
}

// members parses a segment as a JSON object and shows it.
func (i *inspection) members(name, segment string) map[string]json.RawMessage {
	raw, ok := jose.DecodeBase64(segment)
	if !i.check(name, ok, "base64url without padding, in its one form") {
		return nil
	}
	s := jose.NewScanner(string(raw))
	members := map[string]json.RawMessage{}
	object := s.Object()
	for member, ok := object.Next(&s); ok; member, ok = object.Next(&s) {
		members[member] = json.RawMessage(s.Skip())
	}
	if err := s.End(); err != nil {
		i.check(name, false, err.Error())
		return nil
	}
	text := string(raw)
	if !utf8.ValidString(text) {
		text = ""
	}
	i.check(name, true, "a JSON object: "+text)
	return members
}

func (i *inspection) readHeader(segment string) {
	i.header = i.members("header", segment)
	if i.header == nil {
		return
	}
	alg := i.text(i.header, "alg")
	i.check("alg", alg != "" && !strings.EqualFold(alg, "none"),
		fmt.Sprintf("%q; it must be the algorithm of the key that kid names", alg))
	i.check("kid", i.text(i.header, "kid") != "", fmt.Sprintf("%q", i.text(i.header, "kid")))
	typ := strings.TrimPrefix(i.text(i.header, "typ"), "application/")
	i.check("typ", typ == jwt.TypeAccess, fmt.Sprintf("%q, expected %q", i.text(i.header, "typ"), jwt.TypeAccess))
	for _, extension := range []string{"crit", "b64", "zip", "enc"} {
		if _, there := i.header[extension]; there {
			i.check(extension, false, "an extension that is not taken")
		}
	}
}

func (i *inspection) readPayload(segment string) { i.payload = i.members("payload", segment) }

// none is expected of a claim that the token does not have, so that the signature is checked anyway.
const none = "(none)"

// signature lets the library verify the whole token. Its error says which check failed. If no
// issuer or audience was given, the lines about claims report those.
func (i *inspection) signature(ctx context.Context, set *jwk.Set, token string) {
	if set == nil {
		i.skip("signature", "no key was given")
		return
	}
	verifier, err := jwt.NewVerifier(jwt.Config{
		Issuer:   cmp.Or(i.c.Issuer, i.text(i.payload, "iss"), none),
		Audience: cmp.Or(i.c.Audience, firstOf(i.payload["aud"]), none), Keys: set, Leeway: i.c.Leeway,
	})
	if err != nil {
		i.check("signature", false, err.Error())
		return
	}
	_, err = verifier.Verify(ctx, token, i.now, nil)
	afterSignature := []error{jwt.ErrClaims, jwt.ErrExpired, jwt.ErrNotYetValid, jwt.ErrIssuer, jwt.ErrAudience}
	holds := err == nil || slices.ContainsFunc(afterSignature, func(kind error) bool { return errors.Is(err, kind) })
	if !holds {
		i.check("signature", false, err.Error())
		return
	}
	i.check("signature", true, "it verifies with the key "+i.text(i.header, "kid"))
	if err != nil {
		i.check("contents", false, err.Error())
	}
}

func (i *inspection) claims() {
	if i.payload == nil {
		return
	}
	i.expected("iss", i.c.Issuer, i.text(i.payload, "iss") == i.c.Issuer, "--issuer")
	i.expected("aud", i.c.Audience, slices.Contains(listOf(i.payload["aud"]), i.c.Audience), "--audience")
	for _, name := range []string{"sub", "jti"} {
		i.check(name, i.text(i.payload, name) != "", show(i.payload[name]))
	}
	i.date("exp", true, func(t time.Time) bool { return i.now.Before(t.Add(i.c.Leeway)) })
	i.date("iat", true, func(t time.Time) bool { return !t.After(i.now.Add(i.c.Leeway)) })
	i.date("nbf", false, func(t time.Time) bool { return !t.After(i.now.Add(i.c.Leeway)) })
}

func (i *inspection) expected(name, want string, holds bool, flag string) {
	if want == "" {
		i.skip(name, show(i.payload[name])+"; give "+flag+" to check it")
		return
	}
	i.check(name, holds, show(i.payload[name])+", expected "+want)
}

func (i *inspection) date(name string, required bool, holds func(time.Time) bool) {
	raw, there := i.payload[name]
	if !there {
		if required {
			i.check(name, false, "missing")
		}
		return
	}
	var seconds float64
	if json.Unmarshal(raw, &seconds) != nil || seconds < 0 || seconds > 253402300799 {
		i.check(name, false, show(raw)+" is not a date")
		return
	}
	t := time.Unix(int64(seconds), 0).UTC()
	i.check(name, holds(t), fmt.Sprintf("%s, %s", t.Format(time.RFC3339), distance(t.Sub(i.now))))
}

func distance(d time.Duration) string {
	if d < 0 {
		return (-d).Round(time.Second).String() + " ago"
	}
	return "in " + d.Round(time.Second).String()
}

// text returns a member that is a string, or "".
func (i *inspection) text(members map[string]json.RawMessage, name string) string {
	var s string
	_ = json.Unmarshal(members[name], &s)
	return s
}

func listOf(raw json.RawMessage) []string {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}
	}
	var many []string
	_ = json.Unmarshal(raw, &many)
	return many
}

func firstOf(raw json.RawMessage) string {
	if list := listOf(raw); len(list) > 0 {
		return list[0]
	}
	return ""
}

func show(raw json.RawMessage) string {
	if raw == nil {
		return "missing"
	}
	return string(raw)
}
