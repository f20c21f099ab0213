package jose_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/hallpass-go/hallpass/internal/jose"
)

var (
	escapedBackslash = regexp.MustCompile(`\\\\`)
	surrogatePair    = regexp.MustCompile(`\\u[dD][89abAB][[:xdigit:]]{2}\\u[dD][c-fC-F][[:xdigit:]]{2}`)
	surrogate        = regexp.MustCompile(`\\u[dD][89a-fA-F]`)
)

// reference says slowly what the scanner says fast: the standard library parses, and what it is lax
// about is checked one by one.
func reference(text string) error {
	if !utf8.ValidString(text) {
		return errors.New("not UTF-8")
	}
	if !json.Valid([]byte(text)) {
		return errors.New("not JSON")
	}
	rest := surrogatePair.ReplaceAllString(escapedBackslash.ReplaceAllString(text, ""), "")
	if surrogate.MatchString(rest) {
		return errors.New("half a surrogate pair")
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	return referenceValue(decoder, 0)
}

func referenceValue(decoder *json.Decoder, depth int) error {
	token, err := decoder.Token()
	if err != nil {
		return err
	}
	if token != json.Delim('{') && token != json.Delim('[') {
		return nil
	}
	if depth == jose.MaxDepth {
		return errors.New("too deep")
	}
	names := map[string]bool{}
	for decoder.More() {
		if token == json.Delim('{') {
			name, err := decoder.Token()
			if err != nil {
				return err
			}
			if names[name.(string)] {
				return errors.New("a duplicate member")
			}
			if names[name.(string)] = true; len(names) > jose.MaxMembers {
				return errors.New("too many members")
			}
		}
		if err := referenceValue(decoder, depth+1); err != nil {
			return err
		}
	}
	_, err = decoder.Token()
	return err
}
