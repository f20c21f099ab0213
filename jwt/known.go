package jwt

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/hallpass-go/hallpass/internal/jose"
)

// known is what the tokens of one issuer repeat: it is read once, and afterwards compared. Only
// tokens that verified add to it, and there is a bound to how much, so nobody else can.
type known struct {
	issuer, audience           string // as JSON, "" when they are not written plainly
	issuerValue, audienceValue string
	headers                    atomic.Pointer[[]knownHeader]
	scopes, roles              knownLists
}

// knownHeader is a header as it is written and as it was read.
type knownHeader struct {
	segment string
	header
}

// knownLists are values of one claim, each as it is written and as it was read.
type knownLists struct{ atomic.Pointer[[]knownList] }

type knownList struct {
	text   string
	values []string
}

const (
	maxHeaders = 16 // keys times a few spellings
	maxLists   = 16
)

func (k *known) expect(issuer, audience string) {
	k.issuerValue, k.audienceValue = issuer, audience
	if jose.IsPlain(issuer) {
		k.issuer = `"` + issuer + `"`
	}
	if jose.IsPlain(audience) {
		k.audience = `"` + audience + `"`
	}
	k.headers.Store(new([]knownHeader))
	k.scopes.Store(new([]knownList))
	k.roles.Store(new([]knownList))
}

func (k *known) header(segment string) (header, bool) {
	for _, h := range *k.headers.Load() {
		if h.segment == segment {
			return h.header, true
		}
	}
	return header{}, false
}

// rememberHeader adds a header, in the place of the oldest when there are enough.
func (k *known) rememberHeader(segment string, h header) {
	old := k.headers.Load()
	kept := (*old)[max(0, len(*old)-maxHeaders+1):]
	next := append(slices.Clone(kept), knownHeader{strings.Clone(segment), h})
	k.headers.CompareAndSwap(old, &next)
}

// next returns the list that is the scanner's next value, if it is known.
func (l *knownLists) next(s *jose.Scanner) ([]string, bool) {
	for _, known := range *l.Load() {
		if s.Literal(known.text) {
			return known.values, true
		}
	}
	return nil, false
}

// remember adds a list until there are enough: users of an API mostly have one of a few. The list
// is written as its values with what is before, between and after them, or it is not added.
func (l *knownLists) remember(before string, values []string, between, after string) {
	old := l.Load()
	if len(*old) == maxLists || len(values) == 0 {
		return
	}
	for _, value := range values {
		if !jose.IsPlain(value) {
			return
		}
	}
	text := before + strings.Join(values, between) + after
	if slices.ContainsFunc(*old, func(l knownList) bool { return l.text == text }) {
		return
	}
	copied := make([]string, len(values))
	for i := range values {
		copied[i] = strings.Clone(values[i]) // or each would keep a whole token's memory
	}
	next := append(slices.Clone(*old), knownList{text, copied})
	l.CompareAndSwap(old, &next)
}
