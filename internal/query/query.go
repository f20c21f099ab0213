// Package query refuses URL parameters that a route does not know. If a misspelt filter, or one cut
// off by a stray character, were ignored, the answer would contain more than was asked for.
package query

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Parse parses the query of a URL. It fails if the query is malformed, has a parameter that is not
// in names, or repeats a parameter. A parameter may repeat if its name is given with a star:
// "role*".
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

// Detail returns an error of [Parse] as a sentence for people.
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
