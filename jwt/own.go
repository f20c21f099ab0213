package jwt

import (
	"reflect"
	"sync"

	"github.com/hallpass-go/hallpass/internal/jose"
)

// ownType is how own claims of one type are read beside the registered ones.
type ownType struct {
	fields   jose.Fields
	order    []jose.Expected      // the registered claims, then the fields
	overlaps bool                 // a field has a registered claim's name
	twice    [len(registered)]int // which has, for each of these claims; -1 for none
}

var ownTypes sync.Map // reflect.Type → *ownType

func ownTypeOf(t reflect.Type) *ownType {
	if known, ok := ownTypes.Load(t); ok {
		return known.(*ownType)
	}
	o := &ownType{fields: jose.FieldsOf(t)}
	o.order = o.fields.Order(usualOrder)
	for i, name := range registered {
		o.twice[i] = -1
		if field, ok := o.fields.Number(name); ok {
			o.overlaps, o.twice[i] = true, field
			o.order = usualOrder // or a member could be looked for in two places
		}
	}
	ownTypes.Store(t, o)
	return o
}

// own are the application's own claims of one token while it is read.
type own struct {
	*ownType // nil for none
	target   reflect.Value
	value    reflect.Value // what is read; the target itself if that is empty
	misfits  bool
}

// newOwn returns where the claims go that belong into the struct that custom points to.
func newOwn(custom any) own {
	target := reflect.ValueOf(custom).Elem()
	o := own{ownType: ownTypeOf(target.Type()), target: target, value: target}
	if !target.IsZero() {
		o.value = reflect.New(target.Type()).Elem()
		o.value.Set(target)
	}
	return o
}

func (o *own) read(s *jose.Scanner, field int) {
	if !o.fields.Read(s, o.value, field) {
		o.misfits = true
	}
}

// keep writes what was read, and drop leaves the target as it was.
func (o *own) keep() {
	if o.value != o.target {
		o.target.Set(o.value)
	}
}

func (o *own) drop() {
	if o.value == o.target {
		o.target.SetZero()
	}
}
