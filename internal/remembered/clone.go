package remembered

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"
)

// An application's own claims are given to many requests. Each gets a copy that shares no memory with
// the others. If their type cannot be copied that way, no token is remembered.

// Cloner returns a function that copies a T with memory of its own, or nil if no two values of T
// share any.
func Cloner[T any]() func(*T) *T {
	if !sharesMemory(reflect.TypeFor[T](), map[reflect.Type]bool{}) {
		return nil
	}
	return func(v *T) *T {
		c := new(T)
		*c = *v
		unshare(reflect.ValueOf(c).Elem())
		return c
	}
}

// sharesMemory reports whether two values of a type, of which one was assigned from the other, can
// lead to memory that both can write to.
func sharesMemory(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] || t == timeType {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer, reflect.Interface, reflect.Chan, reflect.Func,
		reflect.UnsafePointer:
		return true
	case reflect.Array:
		return sharesMemory(t.Elem(), seen)
	case reflect.Struct:
		for field := range t.Fields() {
			if sharesMemory(field.Type, seen) {
				return true
			}
		}
	}
	return false
}

var (
	timeType            = reflect.TypeFor[time.Time]() // never written to, though it holds a pointer
	rawMessageType      = reflect.TypeFor[json.RawMessage]()
	unmarshalerType     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// CanCopy reports whether the function of [Cloner] copies everything that decoding JSON can put into
// a T.
func CanCopy[T any]() bool { return canCopy(reflect.TypeFor[T](), map[reflect.Type]bool{}) }

// canCopy reports whether [unshare] copies everything that decoding JSON can put into a type. It
// does not copy what a type's own method puts into unexported members, nor the members of an
// unexported embedded struct.
func canCopy(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] || t == rawMessageType || !sharesMemory(t, map[reflect.Type]bool{}) {
		return true
	}
	seen[t] = true
	if p := reflect.PointerTo(t); p.Implements(unmarshalerType) || p.Implements(textUnmarshalerType) {
		return false
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array, reflect.Pointer:
		return canCopy(t.Elem(), seen)
	case reflect.Map:
		return canCopy(t.Key(), seen) && canCopy(t.Elem(), seen)
	case reflect.Interface:
		return t.NumMethod() == 0 // what is decoded into any is maps, slices and plain values
	case reflect.Struct:
		for field := range t.Fields() {
			switch {
			case field.IsExported():
				if !canCopy(field.Type, seen) {
					return false
				}
			case field.Anonymous && sharesMemory(field.Type, map[reflect.Type]bool{}):
				return false
			}
		}
		return true
	}
	return false
}

// unshare gives a value that was assigned from another memory of its own. Decoding sets only
// exported fields, which are those that can be set here.
func unshare(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			c := reflect.New(v.Type().Elem())
			c.Elem().Set(v.Elem())
			unshare(c.Elem())
			v.Set(c)
		}
	case reflect.Interface:
		if !v.IsNil() {
			v.Set(unshared(v.Elem()))
		}
	case reflect.Slice:
		if list, ok := v.Addr().Interface().(*[]string); ok { // the usual one, without a detour
			*list = slices.Clone(*list)
		} else if !v.IsNil() {
			c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			reflect.Copy(c, v)
			unshareElements(c)
			v.Set(c)
		}
	case reflect.Map:
		if !v.IsNil() {
			c := reflect.MakeMapWithSize(v.Type(), v.Len())
			for key, value := range v.Seq2() {
				c.SetMapIndex(key, unshared(value))
			}
			v.Set(c)
		}
	case reflect.Array:
		unshareElements(v)
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Field(i); field.CanSet() {
				unshare(field)
			}
		}
	}
}

// unshareElements is [unshare] for the elements of a slice or an array.
func unshareElements(v reflect.Value) {
	// Numbers and booleans hold no memory, and nobody can write to that of a string.
	if k := v.Type().Elem().Kind(); isNumber(k) || k == reflect.String {
		return
	}
	for i := range v.Len() {
		unshare(v.Index(i))
	}
}

// unshared is [unshare] for a value that cannot be changed in place: it returns a copy.
func unshared(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	unshare(c)
	return c
}

// isNumber reports whether a kind is of numbers or booleans.
func isNumber(k reflect.Kind) bool { return k < reflect.Array }

// OwnText gives the strings in the struct that v points to their own memory; decoded strings are
// pieces of a payload. Only the caller may use it meanwhile.
func OwnText(v any) { ownText(reflect.ValueOf(v).Elem()) }

func ownText(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(strings.Clone(v.String()))
	case reflect.Pointer:
		if !v.IsNil() {
			ownText(v.Elem())
		}
	case reflect.Interface:
		if !v.IsNil() {
			v.Set(textOwned(v.Elem()))
		}
	case reflect.Slice, reflect.Array:
		if isNumber(v.Type().Elem().Kind()) {
			return // bytes, mostly, of which there may be many
		}
		for i := range v.Len() {
			ownText(v.Index(i))
		}
	case reflect.Map:
		if !v.IsNil() {
			owned := reflect.MakeMapWithSize(v.Type(), v.Len())
			for key, value := range v.Seq2() {
				owned.SetMapIndex(textOwned(key), textOwned(value))
			}
			v.Set(owned)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.IsExported() || f.Anonymous && f.Type.Kind() == reflect.Struct {
				ownText(v.Field(i))
			}
		}
	}
}

// textOwned is [ownText] for a value that cannot be changed in place: it returns a copy.
func textOwned(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	ownText(c)
	return c
}
