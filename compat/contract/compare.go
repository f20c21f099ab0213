package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Placeholders in expected values: for any value, and for a header that must be absent.
const (
	anything = "${*}"
	nothing  = "${none}"
)

// variables maps names to values: texts, or other JSON as encoding/json decodes it.
type variables map[string]any

var reference = regexp.MustCompile(`\$\{([a-z_0-9]+)([+-][0-9]+)?\}`)

// value returns the value of one reference.
func (v variables) value(ref string) (any, error) {
	parts := reference.FindStringSubmatch(ref)
	name, offset := parts[1], parts[2]
	if name == "now" {
		seconds, err := strconv.ParseInt("0"+strings.TrimLeft(offset, "+-"), 10, 64)
		if strings.HasPrefix(offset, "-") {
			seconds = -seconds
		}
		return json.Number(strconv.FormatInt(time.Now().Unix()+seconds, 10)), err
	}
	value, known := v[name]
	if !known || offset != "" {
		return nil, fmt.Errorf("nothing has given a value to %s", ref)
	}
	return value, nil
}

// expand replaces the references in a text by their values.
func (v variables) expand(text string) (string, error) {
	var failed error
	expanded := reference.ReplaceAllStringFunc(text, func(ref string) string {
		value, err := v.value(ref)
		if err != nil {
			failed = err
		}
		return fmt.Sprint(value)
	})
	return expanded, failed
}

// expandJSON replaces the references in the texts of a JSON value. Members lose their order, so use
// a text where the order matters.
func (v variables) expandJSON(data json.RawMessage) ([]byte, error) {
	tree, err := decode(data)
	if err != nil {
		return nil, err
	}
	if tree, err = v.fill(tree); err != nil {
		return nil, err
	}
	return json.Marshal(tree)
}

func (v variables) fill(tree any) (any, error) {
	var err error
	switch node := tree.(type) {
	case string:
		if reference.FindString(node) == node && node != "" {
			return v.value(node)
		}
		return v.expand(node)
	case []any:
		for i := range node {
			if node[i], err = v.fill(node[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for name := range node {
			if node[name], err = v.fill(node[name]); err != nil {
				return nil, err
			}
		}
	}
	return tree, nil
}

// decode decodes JSON and keeps numbers as they are written.
func decode(data []byte) (any, error) {
	decoder := json.NewDecoder(strings.NewReader(string(data)))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	return tree, nil
}

// compare returns what differs from the expected answer.
func (p *player) compare(want *Want, response *http.Response, body []byte) error {
	if response.StatusCode != want.Status {
		return fmt.Errorf("want status %d", want.Status)
	}
	for _, name := range slices.Sorted(maps.Keys(want.Headers)) {
		got := response.Header.Values(name)
		if want.Headers[name] == nothing {
			if len(got) > 0 {
				return fmt.Errorf("want no %s, got %q", name, got)
			}
			continue
		}
		wanted, text := want.Headers[name], strings.Join(got, ", ")
		if http.CanonicalHeaderKey(name) == "Allow" { // a set, whose order is random in Flask
			wanted, text = sorted(wanted), sorted(text)
		}
		if err := p.compareText(wanted, text); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if want.Body != nil {
		if err := p.compareText(*want.Body, string(body)); err != nil {
			return fmt.Errorf("body: %w", err)
		}
	}
	if want.JSON == nil {
		return nil
	}
	wanted, err := decode(want.JSON)
	if err == nil {
		wanted, err = p.variables.fill(wanted)
	}
	if err != nil {
		return err
	}
	got, err := decode(body)
	if err != nil {
		return err
	}
	return compareJSON("", wanted, got)
}

// sorted sorts the elements of a list field (RFC 9110 §5.6.1).
func sorted(field string) string {
	elements := strings.Split(strings.ReplaceAll(field, " ", ""), ",")
	slices.Sort(elements)
	return strings.Join(elements, ", ")
}

func (p *player) compareText(want, got string) error {
	want, err := p.variables.expand(want)
	if err != nil {
		return err
	}
	pattern := strings.ReplaceAll(regexp.QuoteMeta(want), regexp.QuoteMeta(anything), "(?s:.+)")
	matched, err := regexp.MatchString("^(?:"+pattern+")$", got)
	if err == nil && !matched {
		err = fmt.Errorf("want %q, got %q", want, got)
	}
	return err
}

func compareJSON(at string, want, got any) error {
	switch wanted := want.(type) {
	case string:
		if wanted == anything && got != nil {
			return nil
		}
	case map[string]any:
		object, ok := got.(map[string]any)
		if !ok || !slices.Equal(slices.Sorted(maps.Keys(wanted)), slices.Sorted(maps.Keys(object))) {
			break
		}
		for name := range wanted {
			if err := compareJSON(at+"/"+name, wanted[name], object[name]); err != nil {
				return err
			}
		}
		return nil
	case []any:
		list, ok := got.([]any)
		if !ok || len(list) != len(wanted) {
			break
		}
		for i := range wanted {
			if err := compareJSON(fmt.Sprint(at, "/", i), wanted[i], list[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if reflect.DeepEqual(want, got) {
		return nil
	}
	return fmt.Errorf("the JSON at %q: want %v, got %v", at, want, got)
}

// saved returns a value from an answer.
func saved(where string, response *http.Response, body []byte) (any, error) {
	kind, name, _ := strings.Cut(where, " ")
	switch kind {
	case "body":
		return string(body), nil
	case "header":
		if values := response.Header.Values(name); len(values) > 0 {
			return values[0], nil
		}
		return nil, fmt.Errorf("the answer has no header %s", name)
	case "cookie":
		for _, cookie := range response.Cookies() {
			if cookie.Name == name {
				return cookie.Value, nil
			}
		}
		return nil, fmt.Errorf("the answer sets no cookie %s", name)
	}
	return pointed(where, body)
}

// pointed resolves a JSON pointer (RFC 6901). Names with "~" are not supported.
func pointed(pointer string, body []byte) (any, error) {
	tree, err := decode(body)
	if err != nil {
		return nil, err
	}
	for name := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		switch node := tree.(type) {
		case map[string]any:
			tree = node[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(node) {
				return nil, fmt.Errorf("the answer has nothing at %s", pointer)
			}
			tree = node[i]
		default:
			tree = nil
		}
	}
	if tree == nil {
		return nil, fmt.Errorf("the answer has nothing at %s", pointer)
	}
	return tree, nil
}
