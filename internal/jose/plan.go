package jose

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"
	"sync"
)

// plan is how values of one type are read. It is found once for the type, since to look for it is
// most of the work.
type plan struct {
	typ       reflect.Type
	kind      reflect.Kind
	itself    bool // the type has a method that decodes it
	elem      *plan
	*fieldSet // of a struct
}

// fieldSet are the fields of a struct by their json names.
type fieldSet struct {
	fields []field
	byName map[string]int
	order  []Expected // of the first fields, for as many as can have one
}

type field struct {
	name  string
	index []int
	plan  *plan
}

var plans sync.Map // reflect.Type → *plan

func planOf(t reflect.Type) *plan {
	if p, ok := plans.Load(t); ok {
		return p.(*plan)
	}
	made := map[reflect.Type]*plan{}
	p := newPlan(t, made)
	// All are whole now, also those that lead back to themselves, so that others may see them.
	for t, p := range made {
		plans.LoadOrStore(t, p)
	}
	return p
}

var (
	unmarshaler     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
	numberType      = reflect.TypeFor[json.Number]()
	stringsType     = reflect.TypeFor[[]string]()
)

func newPlan(t reflect.Type, made map[reflect.Type]*plan) *plan {
	if p := made[t]; p != nil {
		return p
	}
	pointer := reflect.PointerTo(t)
	itself := pointer.Implements(unmarshaler) || pointer.Implements(textUnmarshaler)
	p := &plan{typ: t, kind: t.Kind(), itself: itself}
	made[t] = p
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		p.elem = newPlan(t.Elem(), made)
	case reflect.Struct:
		p.fieldSet = &fieldSet{byName: map[string]int{}}
		p.addFields(t, nil, made)
		p.order = orderOf(p.fields)
	}
	return p
}

// addFields adds the exported fields. Embedded structs count as their fields, and the first of a
// name is the one.
func (s *fieldSet) addFields(t reflect.Type, at []int, made map[reflect.Type]*plan) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		index := append(at[:len(at):len(at)], i)
		switch {
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			s.addFields(f.Type, index, made)
			continue
		case !f.IsExported() || name == "-":
			continue
		case name == "":
			name = f.Name
		}
		if _, taken := s.byName[name]; !taken {
			s.byName[name] = len(s.fields)
			s.fields = append(s.fields, field{name, index, newPlan(f.Type, made)})
		}
	}
}

// maxOrder is how many members an order has: one bit of a word for each.
const maxOrder = 64

// orderOf returns the order in which an encoder writes these fields, as far as it can be looked
// for.
func orderOf(fields []field) []Expected {
	names := make([]string, 0, len(fields))
	for _, f := range fields {
		if !IsPlain(f.name) || len(names) == maxOrder {
			break
		}
		names = append(names, f.name)
	}
	return NewOrder(names...)
}

func (f *field) of(v reflect.Value) reflect.Value {
	if len(f.index) == 1 {
		return v.Field(f.index[0])
	}
	return v.FieldByIndex(f.index)
}
