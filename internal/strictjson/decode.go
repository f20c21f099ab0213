package strictjson

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// FieldError says that one member does not fit.
type FieldError struct {
	Field  string // the member's path, like "address.city"
	Code   string // "unknown" or "wrong_type"
	Detail string
}

// FieldErrors are all the members that do not fit.
type FieldErrors []FieldError

// Error implements error.
func (e FieldErrors) Error() string {
	var b strings.Builder
	for i, f := range e {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(f.Field + ": " + f.Detail)
	}
	return b.String()
}

// maxFieldErrors bounds an answer that lists what does not fit.
const maxFieldErrors = 16

// Decode reads one JSON object from data into the struct that v points to. Members go to the fields whose json name is theirs
// exactly, at every depth. An unknown member is a [FieldError], and so is a value of the wrong type: null too, unless the field is a
// json.RawMessage or decodes itself. Errors are a [*SyntaxError] or [FieldErrors] with all there are; then nothing is written to v.
func Decode(data []byte, v any) error { return decode(string(data), v, true) }

// DecodeKnown is [Decode] but for unknown members, which it skips, and null, which leaves a pointer, a slice or a
// map nil.
func DecodeKnown(text string, v any) error { return decode(text, v, false) }

func decode(text string, v any, known bool) error {
	d := decoder{Scanner: NewScanner(text), known: known}
	target := reflect.ValueOf(v).Elem()
	value := reflect.New(target.Type()).Elem()
	value.Set(target)
	d.object(value, "")
	if err := d.End(); err != nil {
		return err
	}
	if d.errors != nil {
		return d.errors
	}
	target.Set(value)
	return nil
}

type decoder struct {
	Scanner
	known  bool // an unknown member is an error
	errors FieldErrors
}

func (d *decoder) misfit(field, code, detail string) {
	if len(d.errors) < maxFieldErrors {
		d.errors = append(d.errors, FieldError{Field: field, Code: code, Detail: detail})
	}
}

func (d *decoder) object(v reflect.Value, path string) {
	members := d.Object()
	for name, ok := members.Next(&d.Scanner); ok; name, ok = members.Next(&d.Scanner) {
		field := printable(name)
		if path != "" {
			field = path + "." + field
		}
		switch f, found := fieldNamed(v, name); {
		case found:
			d.value(f, field)
		case d.known:
			d.Skip()
			d.misfit(field, "unknown", "There is no such member here.")
		default:
			d.Skip()
		}
	}
}

// fieldNamed returns the exported field whose json name is exactly name. Embedded structs count as their fields.
func fieldNamed(v reflect.Value, name string) (reflect.Value, bool) {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && tag == "" && f.Type.Kind() == reflect.Struct:
			if found, ok := fieldNamed(v.Field(i), name); ok {
				return found, true
			}
		case !f.IsExported() || tag == "-":
		case tag == name || tag == "" && f.Name == name:
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// value reads one value into v.
func (d *decoder) value(v reflect.Value, field string) {
	if self := v.Addr().Interface(); decodesItself(self) {
		if raw := d.Skip(); !d.Failed() && json.Unmarshal([]byte(raw), self) != nil {
			d.misfit(field, "wrong_type", "The value is not one that this member takes.")
		}
		return
	}
	switch kind := d.Kind(); {
	case kind == 'n' && (v.Kind() == reflect.Interface || !d.known && isNilable(v.Kind())):
		d.Skip()
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(v.Elem(), field)
	case v.Kind() == reflect.Struct && kind == '{':
		d.object(v, field)
	case v.Kind() == reflect.Slice && kind == '[':
		d.slice(v, field)
	case v.Kind() == reflect.Array && kind == '[':
		d.array(v, field)
	case v.Kind() == reflect.Map && kind == '{' && v.Type().Key().Kind() == reflect.String:
		d.mapping(v, field)
	default:
		d.leaf(v, field)
	}
}

func decodesItself(pointer any) bool {
	if _, ok := pointer.(json.Unmarshaler); ok {
		return true
	}
	_, ok := pointer.(encoding.TextUnmarshaler)
	return ok
}

// isNilable reports whether null is the value that a field of this kind has by itself.
func isNilable(k reflect.Kind) bool {
	return k == reflect.Pointer || k == reflect.Slice || k == reflect.Map
}

func (d *decoder) slice(v reflect.Value, field string) {
	elements := d.Array()
	slice := reflect.MakeSlice(v.Type(), 0, 4)
	for n := 0; elements.Next(&d.Scanner); n++ {
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(element, field+"["+strconv.Itoa(n)+"]")
		slice = reflect.Append(slice, element)
	}
	v.Set(slice)
}

// array reads exactly as many elements as v has.
func (d *decoder) array(v reflect.Value, field string) {
	elements := d.Array()
	n := 0
	for ; elements.Next(&d.Scanner); n++ {
		if n < v.Len() {
			d.value(v.Index(n), field+"["+strconv.Itoa(n)+"]")
		} else {
			d.Skip()
		}
	}
	if n != v.Len() {
		d.misfit(field, "wrong_type", "Expected "+strconv.Itoa(v.Len())+" elements.")
	}
}

func (d *decoder) mapping(v reflect.Value, field string) {
	members := d.Object()
	mapping := reflect.MakeMap(v.Type())
	for name, ok := members.Next(&d.Scanner); ok; name, ok = members.Next(&d.Scanner) {
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(element, field+"."+printable(name))
		mapping.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), element)
	}
	v.Set(mapping)
}

// leaf reads a string, a number, true or false, bytes in base64, or what an interface holds: there is no name in it that could be folded.
func (d *decoder) leaf(v reflect.Value, field string) {
	raw := d.Skip()
	if d.Failed() {
		return
	}
	if raw == "null" || !isLeaf(v.Type(), raw[0]) || json.Unmarshal([]byte(raw), v.Addr().Interface()) != nil {
		d.misfit(field, "wrong_type", "Expected "+kindName(v.Kind())+".")
	}
}

func isLeaf(t reflect.Type, first byte) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Map, reflect.Array:
		return false
	case reflect.Slice:
		return t.Elem().Kind() == reflect.Uint8 && first == '"'
	}
	return true
}

func kindName(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a whole number"
}

// printable returns a name from the text fit to be shown: short, and without control characters.
func printable(name string) string {
	const most = 64
	if len(name) > most {
		name = strings.ToValidUTF8(name[:most], "") + "…"
	}
	quoted := strconv.Quote(name)
	return quoted[1 : len(quoted)-1]
}
