package jose

import "reflect"

// Fields are the fields of one type of struct, for a caller that goes through an object itself and
// reads some of its members into such a struct. They have numbers, in the order in which an encoder
// writes them.
type Fields struct{ plan *plan }

// FieldsOf returns the fields of a type of struct.
func FieldsOf(t reflect.Type) Fields { return Fields{planOf(t)} }

// Order returns first, and after it the fields as far as there is room for them and they can be
// looked for.
func (f Fields) Order(first []Expected) []Expected {
	all := append(first[:len(first):len(first)], f.plan.order...)
	return all[:min(len(all), maxOrder)]
}

// Number returns the number of the field whose json name is exactly name.
func (f Fields) Number(name string) (int, bool) {
	i, ok := f.plan.byName[name]
	return i, ok
}

// Read reads the next value into the field of a number of v, as [Reader.Read] does.
func (f Fields) Read(s *Scanner, v reflect.Value, number int) bool {
	field := &f.plan.fields[number]
	return Reader{field.plan}.Read(s, field.of(v))
}

// Reader reads values of one type.
type Reader struct{ plan *plan }

// ReaderOf returns the reader of a type.
func ReaderOf(t reflect.Type) Reader { return Reader{planOf(t)} }

// Read reads the next value into v, as [DecodeKnownJSON] does, and reports whether it fits. Strings
// share the text's memory unless they had escapes.
func (r Reader) Read(s *Scanner, v reflect.Value) bool {
	if s.direct(v, r.plan, false) {
		return true
	}
	d := decoder{Scanner: *s}
	d.value(v, r.plan, nil)
	*s = d.Scanner
	return d.errors == nil
}
