package jwt

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hallpass-go/hallpass/internal/jose"
)

// plainStruct is how own claims are written whose type says beforehand all that encoding/json would
// make of them: names that are fit and not registered, and values of the plain kinds.
type plainStruct []plainField

type plainField struct {
	name      string // as it is written: after a comma, in quotes, with the colon
	omitEmpty bool
}

var plainStructs sync.Map // reflect.Type → plainStruct, nil for a type that is not so

func plainStructOf(t reflect.Type) plainStruct {
	if known, ok := plainStructs.Load(t); ok {
		return known.(plainStruct)
	}
	s := newPlainStruct(t)
	plainStructs.Store(t, s)
	return s
}

// maxPlain is how many members a plain struct has at most: with the registered claims they are
// fewer than a verifier takes in one object.
const maxPlain = jose.MaxMembers / 2

func newPlainStruct(t reflect.Type) plainStruct {
	if t.Kind() != reflect.Struct || writesItself(t) || t.NumField() > maxPlain {
		return nil
	}
	taken := slices.Clone(registered[:])
	s := make(plainStruct, 0, t.NumField())
	for f := range t.Fields() {
		tag, hasTag := f.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		if !hasTag {
			name = f.Name
		}
		switch {
		case !f.IsExported() || f.Anonymous || !isPlainType(f.Type),
			!isPlainName(name) || slices.Contains(taken, name),
			options != "" && options != "omitempty":
			return nil
		}
		taken = append(taken, name)
		s = append(s, plainField{`,"` + name + `":`, options != ""})
	}
	return s
}

// isPlainName reports whether a name is one that encoding/json takes and writes as it is.
func isPlainName(name string) bool {
	for _, c := range []byte(name) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_') {
			return false
		}
	}
	return name != ""
}

func isPlainType(t reflect.Type) bool {
	if writesItself(t) || t == reflect.TypeFor[json.Number]() {
		return false
	}
	switch t.Kind() {
	case reflect.Slice:
		return t.Elem().Kind() == reflect.String && isPlainType(t.Elem())
	case reflect.String, reflect.Bool,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	}
	return false
}

// writesItself reports whether a type, or a pointer to it, has a method that encodes it.
func writesItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Marshaler]()) ||
		p.Implements(reflect.TypeFor[encoding.TextMarshaler]())
}

// appendPlain adds the members of own claims to the object that text ends with. It returns false
// for what has to go through encoding/json.
func appendPlain(text []byte, custom any) ([]byte, bool) {
	v := reflect.ValueOf(custom)
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	fields := plainStructOf(v.Type())
	if fields == nil {
		return text, false
	}
	all := text[:len(text)-1]
	for i := range fields {
		value := v.Field(i)
		if fields[i].omitEmpty && isEmpty(value) {
			continue
		}
		var ok bool
		if all, ok = appendPlainValue(append(all, fields[i].name...), value); !ok {
			text[len(text)-1] = '}' // which was written over
			return text, false
		}
	}
	return append(all, '}'), true
}

func isEmpty(v reflect.Value) bool {
	if v.Kind() == reflect.Slice {
		return v.Len() == 0
	}
	return v.IsZero()
}

func appendPlainValue(text []byte, v reflect.Value) ([]byte, bool) {
	switch v.Kind() {
	case reflect.String:
		return appendPlainString(text, v.String())
	case reflect.Bool:
		return strconv.AppendBool(text, v.Bool()), true
	case reflect.Slice:
		if v.IsNil() {
			return append(text, "null"...), true
		}
		text = append(text, '[')
		for i := range v.Len() {
			if i > 0 {
				text = append(text, ',')
			}
			var ok bool
			if text, ok = appendPlainString(text, v.Index(i).String()); !ok {
				return text, false
			}
		}
		return append(text, ']'), true
	}
	if v.CanInt() {
		return strconv.AppendInt(text, v.Int(), 10), true
	}
	return strconv.AppendUint(text, v.Uint(), 10), true
}

// appendPlainString writes a string that encoding/json leaves as it is. It escapes what HTML would
// take for its own, too.
func appendPlainString(text []byte, value string) ([]byte, bool) {
	if !jose.IsPlain(value) {
		return text, false
	}
	for i := range len(value) {
		if c := value[i]; c == '<' || c == '>' || c == '&' {
			return text, false
		}
	}
	text = append(text, '"')
	text = append(text, value...)
	return append(text, '"'), true
}
