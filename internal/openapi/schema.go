package openapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Schema is a JSON Schema (draft 2020-12), as far as this API needs one.
type Schema struct {
	Ref                  string     `json:"$ref,omitempty"`
	Type                 any        `json:"type,omitempty"` // a string, or two of which one is "null"
	Description          string     `json:"description,omitempty"`
	Format               string     `json:"format,omitempty"`
	Enum                 []string   `json:"enum,omitempty"`
	MinLength            int        `json:"minLength,omitempty"`
	MaxLength            int        `json:"maxLength,omitempty"`
	Minimum              *int       `json:"minimum,omitempty"`
	Maximum              *int       `json:"maximum,omitempty"`
	Default              any        `json:"default,omitempty"`
	Items                *Schema    `json:"items,omitempty"`
	Properties           properties `json:"properties,omitempty"`
	Required             []string   `json:"required,omitempty"`
	AdditionalProperties any        `json:"additionalProperties,omitempty"` // false, or a schema
	OneOf                []*Schema  `json:"oneOf,omitempty"`
	AllOf                []*Schema  `json:"allOf,omitempty"`
}

// property is a member of an object.
type property struct {
	name    string
	schema  *Schema
	example string
}

// properties are written in the order of the Go struct.
type properties []property

// MarshalJSON implements [json.Marshaler].
func (list properties) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, p := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		schema, err := json.Marshal(p.schema)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", p.name, schema)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// schemas makes schemas from Go types. Struct types with a name become components, which are
// referred to. Members are read as encoding/json does, with these tags:
//
//   - hallpass:"required" or "forbidden", in requests: see [hallpass.ReadJSON]
//   - openapi:"format=email,maxLength=254,nullable,enum=a|b"
//   - example:"…", which the curl lines send
type schemas struct {
	writtenAs  map[reflect.Type]reflect.Type
	problem    reflect.Type
	oauth      OAuthRefusals
	about      map[string]string
	components map[string]*Schema
	shared     object                  // refusals by name
	types      map[string]reflect.Type // by the name of the component
	names      []string                // of answers, in the order of first use
}

// of returns the schema of a type. In a request, a pointer is a member that may be left out. In an
// answer, it is one that may be null.
func (s *schemas) of(t reflect.Type, request bool) *Schema {
	if as, ok := s.writtenAs[t]; ok {
		t = as
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return &Schema{Type: "string", Format: "date-time"}
	case t == reflect.TypeFor[json.RawMessage]():
		return &Schema{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		schema := s.of(t.Elem(), request)
		if !request {
			schema = nullable(schema)
		}
		return schema
	case reflect.String:
		return &Schema{Type: "string"}
	case reflect.Bool:
		return &Schema{Type: "boolean"}
	case reflect.Int, reflect.Int64:
		return &Schema{Type: "integer"}
	case reflect.Slice:
		return &Schema{Type: "array", Items: s.of(t.Elem(), request)}
	case reflect.Map:
		return &Schema{Type: "object"}
	case reflect.Struct:
		return s.ofStruct(t, request)
	}
	panic("openapi: no schema for " + t.String())
}

// ofStruct returns a reference to the component of a type with a name, or else the object itself.
func (s *schemas) ofStruct(t reflect.Type, request bool) *Schema {
	name := componentName(t)
	if name == "" {
		return s.object(t, request)
	}
	if known, ok := s.types[name]; ok && known != t {
		panic(fmt.Sprintf("openapi: %v and %v have the same name", known, t))
	}
	if s.types[name] == nil {
		s.types[name] = t
		if !request {
			s.names = append(s.names, name)
		}
		s.components[name] = s.object(t, request)
	}
	return &Schema{Ref: "#/components/schemas/" + name}
}

func (s *schemas) object(t reflect.Type, request bool) *Schema {
	object := &Schema{Type: "object", AdditionalProperties: false}
	for _, field := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		presence := field.Tag.Get("hallpass")
		if name == "" || name == "-" || request && presence == "forbidden" {
			continue
		}
		schema := s.of(field.Type, request)
		if tag := field.Tag.Get("openapi"); tag != "" {
			schema = schema.with(tag)
		}
		schema.Description = cmp.Or(s.about[componentName(t)+"."+name], s.about[name])
		object.Properties = append(object.Properties, property{name, schema, field.Tag.Get("example")})
		if request && presence == "required" || !request && !strings.Contains(options, "omitempty") {
			object.Required = append(object.Required, name)
		}
	}
	return object
}

// with adds what a tag says.
func (s *Schema) with(tag string) *Schema {
	for option := range strings.SplitSeq(tag, ",") {
		name, value, _ := strings.Cut(option, "=")
		number, err := strconv.Atoi(value)
		switch {
		case name == "nullable":
			s = nullable(s)
		case name == "format":
			s.Format = value
		case name == "enum":
			s.Enum = strings.Split(value, "|")
		case name == "minLength" && err == nil:
			s.MinLength = number
		case name == "maxLength" && err == nil:
			s.MaxLength = number
		default:
			panic("openapi: the tag has " + option)
		}
	}
	return s
}

func nullable(s *Schema) *Schema {
	if s.Ref != "" {
		return &Schema{OneOf: []*Schema{s, {Type: "null"}}}
	}
	s.Type = []string{s.Type.(string), "null"}
	return s
}

// componentName is the name of a struct type as readers of the document see it: userDocument is
// User. Types without a name and those with type parameters have none.
func componentName(t reflect.Type) string {
	name := t.Name()
	if strings.Contains(name, "[") {
		return ""
	}
	runes := []rune(strings.TrimSuffix(name, "Document"))
	if len(runes) > 0 {
		runes[0] = unicode.ToUpper(runes[0])
	}
	return string(runes)
}

// resolve returns the schema that s refers to, or s itself.
func (s *schemas) resolve(schema *Schema) *Schema {
	if schema.Ref == "" {
		return schema
	}
	return s.components[schema.Ref[strings.LastIndex(schema.Ref, "/")+1:]]
}

// words says a schema for people: "string, at most 64 characters".
func (s *Schema) words() string {
	switch {
	case s.Ref != "":
		return s.Ref[strings.LastIndex(s.Ref, "/")+1:]
	case len(s.OneOf) > 0:
		var list []string
		for _, one := range s.OneOf {
			list = append(list, one.words())
		}
		return strings.Join(list, " or ")
	case s.Type == "array":
		return "list of " + s.Items.words()
	case s.Type == nil:
		return "any value"
	}
	text, _ := s.Type.(string)
	if list, ok := s.Type.([]string); ok {
		text = strings.Join(list, " or ")
	}
	if s.Format != "" {
		text += " (" + s.Format + ")"
	}
	if s.MaxLength > 0 {
		text += fmt.Sprintf(", at most %d characters", s.MaxLength)
	}
	if len(s.Enum) > 0 {
		text += ": " + strings.Join(s.Enum, ", ")
	}
	return text
}

// requires reports whether an object must have a member.
func (s *Schema) requires(name string) bool { return slices.Contains(s.Required, name) }
