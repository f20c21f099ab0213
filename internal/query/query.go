// Package query refuses the parameters of a URL that a route does not know. A filter that is
// misspelt, or cut off by a stray character, would else be passed over, and the answer would be
// about more than was asked for.
package query

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Parse reads the query of a URL. It fails when the query is malformed, holds another parameter
// than those named, or holds one more than once, unless its name was given with a star: "role*".
func Parse(raw string, names ...string) (url.Values, error) {
	if raw == "" {
		return url.Values{}, nil
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, fmt.Errorf("the query of the URL is malformed: %w", err)
	}
	for name, given := range values {
		switch {
		case !strings.Contains(name, "*") && slices.Contains(names, name+"*"):
		case strings.Contains(name, "*") || !slices.Contains(names, name):
			return nil, fmt.Errorf("the parameter %.100q is unknown here; there %s", name, known(names))
		case len(given) > 1:
			return nil, fmt.Errorf("the parameter %q is there more than once", name)
		}
	}
	return values, nil
}

// Detail is an error of [Parse] as a sentence for people.
func Detail(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

func known(names []string) string {
	if len(names) == 0 {
		return "are none"
	}
	return "are: " + strings.ReplaceAll(strings.Join(names, ", "), "*", "")
}
