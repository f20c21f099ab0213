package jose

import (
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

// DecodeJSON reads one JSON object from data into the struct that v points to. Members go to the fields
// whose json name is theirs exactly, at every depth. An unknown member is a [FieldError], and so is
// a value of the wrong type: null too, unless the field is a json.RawMessage or decodes itself.
// Errors are a [*SyntaxError] or [FieldErrors] with all there are; then nothing is written to v.
func DecodeJSON(data []byte, v any) error { return decode(string(data), v, true) }

// DecodeKnownJSON is [DecodeJSON] but for unknown members, which it skips, and null, which leaves a
// pointer, a slice or a map nil.
func DecodeKnownJSON(text string, v any) error { return decode(text, v, false) }

func decode(text string, v any, known bool) error {
	// What is kept of a document shall not keep all of it, for secrets may stand beside it.
	d := decoder{Scanner: NewScanner(text), known: known, copies: true}
	target := reflect.ValueOf(v).Elem()
	value := reflect.New(target.Type()).Elem()
	value.Set(target)
	d.object(value, planOf(target.Type()), nil)
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
	copies bool // strings have memory of their own
	errors FieldErrors
}

// place is where in the document a value is. It is put into words only for a value that does not
// fit.
type place struct {
	in    *place // nil for a member of the whole
	name  string // of a member
	index int    // of an element; -1 for a member
}

func (p *place) String() string {
	switch {
	case p == nil:
		return ""
	case p.index >= 0:
		return p.in.String() + "[" + strconv.Itoa(p.index) + "]"
	}
	if in := p.in.String(); in != "" {
		return in + "." + printable(p.name)
	}
	return printable(p.name)
}

func (d *decoder) misfit(at *place, code, detail string) {
	if len(d.errors) < maxFieldErrors {
		d.errors = append(d.errors, FieldError{Field: at.String(), Code: code, Detail: detail})
	}
}

func (d *decoder) object(v reflect.Value, p *plan, in *place) {
	members := d.ObjectOf(p.order)
	at := place{in: in, index: -1}
	for i := range p.order {
		if members.Expect(&d.Scanner, i) {
			at.name = p.fields[i].name
			d.value(p.fields[i].of(v), p.fields[i].plan, &at)
		}
	}
	for name, ok := members.Next(&d.Scanner); ok; name, ok = members.Next(&d.Scanner) {
		at.name = name
		if i, found := p.byName[name]; found {
			d.value(p.fields[i].of(v), p.fields[i].plan, &at)
			continue
		}
		d.Skip()
		if d.known {
			d.misfit(&at, "unknown", "There is no such member here.")
		}
	}
}

// value reads one value into v.
func (d *decoder) value(v reflect.Value, p *plan, at *place) {
	if p.itself {
		raw := d.Skip()
		if !d.Failed() && json.Unmarshal([]byte(raw), v.Addr().Interface()) != nil {
			d.misfit(at, "wrong_type", "The value is not one that this member takes.")
		}
		return
	}
	if d.direct(v, p, d.copies) {
		return
	}
	switch kind := d.Kind(); {
	case kind == 'n' && (p.kind == reflect.Interface || !d.known && isNilable(p.kind)):
		d.Skip()
	case p.kind == reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(p.typ.Elem()))
		}
		d.value(v.Elem(), p.elem, at)
	case p.kind == reflect.Struct && kind == '{':
		d.object(v, p, at)
	case p.kind == reflect.Slice && kind == '[':
		d.slice(v, p, at)
	case p.kind == reflect.Array && kind == '[':
		d.array(v, p, at)
	case p.kind == reflect.Map && kind == '{' && p.typ.Key().Kind() == reflect.String:
		d.mapping(v, p, at)
	default:
		d.leaf(v, at)
	}
}

// isNilable reports whether null is the value that a field of this kind has by itself.
func isNilable(k reflect.Kind) bool {
	return k == reflect.Pointer || k == reflect.Slice || k == reflect.Map
}

func (d *decoder) slice(v reflect.Value, p *plan, in *place) {
	if p.typ == stringsType {
		d.strings(v.Addr().Interface().(*[]string), in)
		return
	}
	elements := d.Array()
	slice := reflect.MakeSlice(p.typ, 0, 4)
	zero := reflect.Zero(p.typ.Elem())
	at := place{in: in}
	for ; elements.Next(&d.Scanner); at.index++ {
		slice = reflect.Append(slice, zero)
		d.value(slice.Index(at.index), p.elem, &at)
	}
	v.Set(slice)
}

// array reads exactly as many elements as v has.
func (d *decoder) array(v reflect.Value, p *plan, in *place) {
	elements := d.Array()
	at := place{in: in}
	for ; elements.Next(&d.Scanner); at.index++ {
		if at.index < v.Len() {
			d.value(v.Index(at.index), p.elem, &at)
		} else {
			d.Skip()
		}
	}
	if at.index != v.Len() {
		d.misfit(in, "wrong_type", "Expected "+strconv.Itoa(v.Len())+" elements.")
	}
}

func (d *decoder) mapping(v reflect.Value, p *plan, in *place) {
	members := d.Object()
	mapping := reflect.MakeMap(p.typ)
	element := reflect.New(p.typ.Elem()).Elem()
	at := place{in: in, index: -1}
	for name, ok := members.Next(&d.Scanner); ok; name, ok = members.Next(&d.Scanner) {
		at.name = name
		element.SetZero()
		d.value(element, p.elem, &at)
		mapping.SetMapIndex(reflect.ValueOf(own(d.copies, name)).Convert(p.typ.Key()), element)
	}
	v.Set(mapping)
}

// leaf reads what no other method does, as encoding/json does: there is no name in it that could be
// folded.
func (d *decoder) leaf(v reflect.Value, at *place) {
	raw := d.Skip()
	if d.Failed() {
		return
	}
	if raw == "null" || !isLeaf(v.Type(), raw[0]) || json.Unmarshal([]byte(raw), v.Addr().Interface()) != nil {
		d.misfit(at, "wrong_type", "Expected "+kindName(v.Kind())+".")
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
