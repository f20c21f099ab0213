package jose_test

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/hallpass-go/hallpass/internal/jose"
)

// referenceDecode says slowly what Decode and DecodeKnown say fast: it looks at a struct anew for
// each member, and leaves each value to encoding/json. It reports whether the text fits, and writes
// to what v points to only then.
func referenceDecode(text string, v any, known bool) bool {
	d := referenceDecoder{Scanner: jose.NewScanner(text), known: known}
	target := reflect.ValueOf(v).Elem()
	value := reflect.New(target.Type()).Elem()
	value.Set(target)
	d.object(value)
	if d.End() != nil || d.misfits {
		return false
	}
	target.Set(value)
	return true
}

type referenceDecoder struct {
	jose.Scanner
	known   bool // an unknown member is an error
	misfits bool
}

func (d *referenceDecoder) object(v reflect.Value) {
	members := d.Object()
	for name, ok := members.Next(&d.Scanner); ok; name, ok = members.Next(&d.Scanner) {
		if f, found := fieldNamed(v, name); found {
			d.value(f)
		} else {
			d.Skip()
			d.misfits = d.misfits || d.known
		}
	}
}

// fieldNamed returns the exported field whose json name is exactly name. Embedded structs count as
// their fields.
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
		case tag != "" && tag == name, tag == "" && f.Name == name:
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// value reads one value into v.
func (d *referenceDecoder) value(v reflect.Value) {
	if self := v.Addr().Interface(); decodesItself(self) {
		if raw := d.Skip(); !d.Failed() && json.Unmarshal([]byte(raw), self) != nil {
			d.misfits = true
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
		d.value(v.Elem())
	case v.Kind() == reflect.Struct && kind == '{':
		d.object(v)
	case v.Kind() == reflect.Slice && kind == '[':
		d.slice(v)
	case v.Kind() == reflect.Array && kind == '[':
		d.array(v)
	case v.Kind() == reflect.Map && kind == '{' && v.Type().Key().Kind() == reflect.String:
		d.mapping(v)
	default:
		d.leaf(v)
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

func (d *referenceDecoder) slice(v reflect.Value) {
	elements := d.Array()
	slice := reflect.MakeSlice(v.Type(), 0, 4)
	for elements.Next(&d.Scanner) {
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(element)
		slice = reflect.Append(slice, element)
	}
	v.Set(slice)
}

// array reads exactly as many elements as v has.
func (d *referenceDecoder) array(v reflect.Value) {
	elements := d.Array()
	n := 0
	for ; elements.Next(&d.Scanner); n++ {
		if n < v.Len() {
			d.value(v.Index(n))
		} else {
			d.Skip()
		}
	}
	if n != v.Len() {
		d.misfits = true
	}
}

func (d *referenceDecoder) mapping(v reflect.Value) {
	members := d.Object()
	mapping := reflect.MakeMap(v.Type())
	for name, ok := members.Next(&d.Scanner); ok; name, ok = members.Next(&d.Scanner) {
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(element)
		mapping.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), element)
	}
	v.Set(mapping)
}

// leaf reads a string, a number, true or false, bytes in base64, or what an interface holds: there
// is no name in it that could be folded.
func (d *referenceDecoder) leaf(v reflect.Value) {
	raw := d.Skip()
	if d.Failed() {
		return
	}
	if raw == "null" || !isLeaf(v.Type(), raw[0]) ||
		json.Unmarshal([]byte(raw), v.Addr().Interface()) != nil {
		d.misfits = true
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
