package jose

import (
	"reflect"
	"strconv"
	"strings"
)

// direct reads a value of the plain kinds, to which encoding/json is a long way. It returns false,
// with the scanner where it was, when something else is there or the value does not fit.
func (s *Scanner) direct(v reflect.Value, p *plan, copies bool) bool {
	if p.itself {
		return false
	}
	before := s.at
	fits := false
	switch p.kind {
	case reflect.String:
		if p.typ == numberType {
			return false
		}
		var value string
		if value, fits = s.String(); fits {
			v.SetString(own(copies, value))
		}
	case reflect.Bool:
		if kind := s.Kind(); kind == 't' || kind == 'f' {
			s.Skip()
			v.SetBool(kind == 't')
			fits = true
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		fits = s.integer(v)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Uintptr:
		if text, ok := s.Number(); ok {
			n, err := strconv.ParseUint(text, 10, 64)
			if fits = err == nil && !v.OverflowUint(n); fits {
				v.SetUint(n)
			}
		}
	case reflect.Float32, reflect.Float64:
		if text, ok := s.Number(); ok {
			n, err := strconv.ParseFloat(text, p.typ.Bits())
			if fits = err == nil && !v.OverflowFloat(n); fits {
				v.SetFloat(n)
			}
		}
	case reflect.Interface:
		if p.typ.NumMethod() == 0 && v.IsNil() {
			var value any
			if value, fits = s.any(copies); fits && value != nil {
				v.Set(reflect.ValueOf(value))
			}
		}
	default:
		return false
	}
	if !fits && !s.Failed() {
		s.at = before
	}
	return fits || s.Failed()
}

func (s *Scanner) integer(v reflect.Value) bool {
	n, ok := s.Seconds()
	if !ok {
		text, ok := s.Number()
		if !ok {
			return false
		}
		var err error
		if n, err = strconv.ParseInt(text, 10, 64); err != nil {
			return false
		}
	}
	if v.OverflowInt(n) {
		return false
	}
	v.SetInt(n)
	return true
}

// any reads a value as encoding/json does for an interface without methods.
func (s *Scanner) any(copies bool) (value any, fits bool) {
	fits = true
	switch s.Kind() {
	case '"':
		text, _ := s.String()
		return own(copies, text), true
	case '0':
		text, _ := s.Number()
		n, err := strconv.ParseFloat(text, 64)
		return n, err == nil
	case '[':
		list := []any{}
		elements := s.Array()
		for elements.Next(s) {
			element, ok := s.any(copies)
			list, fits = append(list, element), fits && ok
		}
		return list, fits
	case '{':
		mapping := map[string]any{}
		members := s.Object()
		for name, ok := members.Next(s); ok; name, ok = members.Next(s) {
			element, ok := s.any(copies)
			mapping[own(copies, name)], fits = element, fits && ok
		}
		return mapping, fits
	}
	raw := s.Skip() // true, false or null
	if raw == "null" {
		return nil, true
	}
	return raw == "true", true
}

// maxFirst is for how many strings there is room at first, whatever the text promises.
const maxFirst = 256

func (d *decoder) strings(list *[]string, in *place) {
	elements := d.Array()
	// As many as there are commas before the next bracket. It may be wrong; then the list grows, or
	// is too large.
	rest := d.text[d.at:]
	if end := strings.IndexByte(rest, ']'); end >= 0 {
		rest = rest[:end]
	}
	values := make([]string, 0, min(strings.Count(rest, ",")+1, maxFirst))
	at := place{in: in}
	for ; elements.Next(&d.Scanner); at.index++ {
		value, ok := d.String()
		if !ok && !d.Failed() {
			d.Skip()
			d.misfit(&at, "wrong_type", "Expected "+kindName(reflect.String)+".")
		}
		values = append(values, own(d.copies, value))
	}
	*list = values
}

// own returns a string that the scanner returned with memory of its own, if that is wanted.
func own(copies bool, value string) string {
	if copies {
		return strings.Clone(value)
	}
	return value
}
