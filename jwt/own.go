package jwt

import (
	"errors"
	"fmt"
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
	paths    []pathField
}

// pathField is a field that is read from inside another claim.
type pathField struct {
	path   []string
	index  int
	reader jose.Reader
}

// CheckOwn returns what is wrong with a struct type as the type of own claims, or nil. A field with
// the tag `claim:"/a/b"` is read from where that JSON Pointer (RFC 6901) leads to. It must have the
// tag `json:"-"`, because no member of the payload itself becomes its value.
func CheckOwn(t reflect.Type) error {
	_, err := pathFields(t)
	return err
}

func pathFields(t reflect.Type) ([]pathField, error) {
	var fields []pathField
	var mistakes []error
	for i := range t.NumField() {
		f := t.Field(i)
		pointer, ok := f.Tag.Lookup("claim")
		if !ok {
			continue
		}
		path, err := parsePath(pointer)
		switch {
		case err != nil:
			mistakes = append(mistakes, err)
		case f.Tag.Get("json") != "-" || !f.IsExported():
			err := fmt.Errorf(`jwt: field %s has a claim tag and is not exported or not json:"-"`, f.Name)
			mistakes = append(mistakes, err)
		default:
			fields = append(fields, pathField{path, i, jose.ReaderOf(f.Type)})
		}
	}
	return fields, errors.Join(mistakes...)
}

var ownTypes sync.Map // reflect.Type → *ownType

func ownTypeOf(t reflect.Type) *ownType {
	if known, ok := ownTypes.Load(t); ok {
		return known.(*ownType)
	}
	o := &ownType{fields: jose.FieldsOf(t)}
	o.paths, _ = pathFields(t)
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
