package jose_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/jose"
)

type (
	namedString  string
	namedStrings []string
	namedBytes   []byte
	namedByte    byte

	// textual and judging decode themselves.
	textual struct{ text string }
	judging struct {
		Raw string
	}
)

func (t *textual) UnmarshalText(b []byte) error {
	if len(b) > 4 {
		return fmt.Errorf("%d bytes", len(b))
	}
	t.text = "<" + string(b) + ">"
	return nil
}

func (j *judging) UnmarshalJSON(b []byte) error {
	if b[0] == 't' {
		return fmt.Errorf("true")
	}
	j.Raw = "<" + string(b) + ">"
	return nil
}

type plainFields struct {
	S   string        `json:"s,omitempty"`
	N   namedString   `json:"n"`
	B   bool          `json:"b"`
	I   int           `json:"i,string"`
	I8  int8          `json:"i8"`
	I16 int16         `json:"i16"`
	I32 int32         `json:"i32"`
	I64 int64         `json:"i64"`
	U   uint          `json:"u"`
	U8  uint8         `json:"u8"`
	U64 uint64        `json:"u64"`
	F32 float32       `json:"f32"`
	F64 float64       `json:"f64"`
	D   time.Duration `json:"d"`
	X   any           `json:"x"`
	Num json.Number   `json:"num"`
	C   chan int      `json:"c"`
	Fn  fmt.Stringer  `json:"fn"`
}

type listFields struct {
	Strings []string       `json:"strings"`
	Named   namedStrings   `json:"named"`
	Names   []namedString  `json:"names"`
	Ints    []int          `json:"ints"`
	Bytes   []byte         `json:"bytes"`
	Other   namedBytes     `json:"other"`
	Odd     []namedByte    `json:"odd"`
	Any     []any          `json:"any"`
	Deep    [][]string     `json:"deep"`
	Pair    [2]string      `json:"pair"`
	Points  []*int         `json:"points"`
	Structs []inner        `json:"structs"`
	Raw     []textual      `json:"raw"`
	Times   []time.Time    `json:"times"`
	Many    map[string]any `json:"many"`
}

type ownFields struct {
	Text  textual                `json:"text"`
	Judge judging                `json:"judge"`
	PText *textual               `json:"ptext"`
	PJ    **judging              `json:"pj"`
	At    time.Time              `json:"at"`
	PAt   *time.Time             `json:"pat"`
	Raw   json.RawMessage        `json:"raw"`
	M     map[string]textual     `json:"m"`
	Named map[namedString]int    `json:"named"`
	Int   map[int]string         `json:"int"`
	MM    map[string][]string    `json:"mm"`
	Next  *ownFields             `json:"next"`
	Maps  map[string]*ownFields  `json:"maps"`
	Twice map[string]plainFields `json:"twice"`
}

// embeddingFields has a member "note" of its own beside that of embedded: the first found counts.
type embeddingFields struct {
	embedded
	plainFields
	*Pointed
	time.Time
	Tagged `json:"tagged"`
	Note   string `json:"note"`
	Ünï    string
	//lint:ignore SA5008 a tag that nobody should write is read as encoding/json reads it
	Quote string `json:"a\"b"`
	//lint:ignore SA5008 likewise
	Dash  string `json:"-,"`
	After string `json:"after"`
	//lint:ignore U1000 that it is not used is the point
	hidden string
}

type (
	Pointed struct{ P string }
	Tagged  struct{ T string }
)

// manyFields has more than an order can hold.
var manyFields = func() reflect.Type {
	fields := make([]reflect.StructField, 80)
	for i := range fields {
		fields[i] = reflect.StructField{
			Name: fmt.Sprint("F", i),
			Type: reflect.TypeFor[int](),
			Tag:  reflect.StructTag(fmt.Sprintf(`json:"f%d"`, i)),
		}
	}
	return reflect.StructOf(fields)
}()

var differentialTypes = []reflect.Type{
	reflect.TypeFor[plainFields](), reflect.TypeFor[listFields](), reflect.TypeFor[ownFields](),
	reflect.TypeFor[embeddingFields](),
	reflect.TypeFor[outer](), reflect.TypeFor[struct{}](), manyFields,
}

// The leaves of random documents: what fits somewhere, and what just does not.
var leaves = []string{
	`null`, `true`, `false`, `""`, `"a"`, `"abcdefghij"`, `"é"`, `"\u00e9\ud83d\ude00\n\/"`, `"\ud800"`, `"\x"`,
	"\"\xff\"", `"AQI="`, `"AQI"`, `"null"`, `"12"`,
	`"2026-11-23T10:00:00Z"`, `"2026-11-23T10:00:00+01:00"`, `"2026-13-23T10:00:00Z"`, `0`, `-0`, `1`, `-1`,
	`127`, `128`, `-128`, `-129`, `255`, `256`,
	`32767`, `32768`, `2147483648`, `-2147483649`, `9223372036854775807`, `9223372036854775808`,
	`-9223372036854775809`, `18446744073709551615`,
	`18446744073709551616`, `123456789012`, `1234567890123`, `1.0`, `1e3`, `1E-2`, `3.4e38`, `3.5e38`, `1e308`,
	`1e309`, `-1e400`, `1e-400`, `01`, `1.`, `+1`,
	`{}`, `[]`, `[1,"a"]`, `["a","b"]`, `["a","b","c"]`, `["a,]","\"]"]`, `["a",null]`, `["a" , "b" ]`, `[,]`,
	`{"a":1,"a":2}`, `{"":{"":[]}}`, `NaN`, `tru`, ``,
}

// randomDocument writes an object of the members that a type has, and of some that it has not.
func randomDocument(r *rand.Rand, t reflect.Type, depth int) string {
	var members []string
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && tag == "" && f.Type.Kind() == reflect.Struct {
			if text := randomDocument(r, f.Type, depth+1); len(text) > 2 {
				members = append(members, text[1:len(text)-1])
			}
			continue
		}
		if tag == "" {
			tag = f.Name
		}
		switch r.IntN(40) {
		case 0:
			tag = strings.ToUpper(tag)
		case 1:
			tag += "x"
		}
		if r.IntN(3) == 0 {
			name, _ := json.Marshal(tag)
			members = append(members, string(name)+`:`+randomValue(r, f.Type, depth+1))
		}
	}
	if r.IntN(60) == 0 && len(members) > 0 {
		members = append(members, members[0])
	}
	if r.IntN(2) == 0 {
		r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	}
	return "{" + strings.Join(members, []string{",", " , "}[r.IntN(2)]) + "}"
}

// randomValue writes a value that mostly fits a type.
func randomValue(r *rand.Rand, t reflect.Type, depth int) string {
	if r.IntN(8) == 0 || depth > 4 {
		return leaves[r.IntN(len(leaves))]
	}
	fitting := func(texts ...string) string { return texts[r.IntN(len(texts))] }
	switch t {
	case reflect.TypeFor[time.Time]():
		return fitting(`"2026-11-23T10:00:00Z"`, `"2026-11-23T10:00:00.5+01:00"`)
	case reflect.TypeFor[textual]():
		return fitting(`"a"`, `"é"`, `"abcd"`, `"abcde"`)
	case reflect.TypeFor[judging](), reflect.TypeFor[json.RawMessage]():
		return fitting(`{"a": [1, 2]}`, `"x"`, `[ ]`, `null`)
	case reflect.TypeFor[json.Number]():
		return fitting(`1`, `1.50`, `"2"`, `"x"`)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return randomValue(r, t.Elem(), depth)
	case reflect.Struct:
		return randomDocument(r, t, depth)
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 && r.IntN(2) == 0 {
			return fitting(`"AQI="`, `"AQID"`, `"AQ"`)
		}
		elements := make([]string, r.IntN(7))
		if t.Kind() == reflect.Array {
			elements = make([]string, t.Len())
		}
		for i := range elements {
			elements[i] = randomValue(r, t.Elem(), depth+1)
		}
		return "[" + strings.Join(elements, ",") + "]"
	case reflect.Map:
		members := make([]string, r.IntN(4))
		for i := range members {
			members[i] = fmt.Sprintf(`"k%d":%s`, i, randomValue(r, t.Elem(), depth+1))
		}
		return "{" + strings.Join(members, ",") + "}"
	case reflect.String:
		return fitting(`"a"`, `"plain text"`, `"é\n\u0041"`)
	case reflect.Bool:
		return fitting(`true`, `false`)
	case reflect.Float32, reflect.Float64:
		return fitting(`0`, `1.5`, `-2e3`, `0.1`)
	case reflect.Interface:
		return fitting(`{"a":[1,{"b":null}],"c":true}`, `["x",2.5]`, `"é\n"`, `1`, `false`, `null`)
	}
	return fitting(`0`, `1`, `7`, `100`)
}

// TestDecodeJSON_isTheReference: random documents have the same values, or are refused, by this package
// and by the slow way that leaves all but names to encoding/json.
func TestDecodeJSON_isTheReference(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	taken := map[reflect.Type]int{}
	for n := range 60_000 {
		typ := differentialTypes[n%len(differentialTypes)]
		text := randomDocument(r, typ, 0)
		known := n/len(differentialTypes)%2 == 0
		if sameAsReference(t, typ, text, known) {
			taken[typ]++
		}
	}
	for _, typ := range differentialTypes {
		if taken[typ] < 100 {
			t.Errorf("%v: only %d documents were taken", typ, taken[typ])
		}
	}
}

// Each leaf as the value of each member: what random documents may have missed.
func TestDecodeJSON_isTheReferenceInEachLeaf(t *testing.T) {
	for _, typ := range differentialTypes {
		for i := range typ.NumField() {
			f := typ.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" {
				name = f.Name
			}
			quoted, _ := json.Marshal(name)
			for _, leaf := range leaves {
				for _, format := range []string{`{%s:%s}`, `{%s: %s }`, `{%s:[%s]}`, `{%s:{"k1":%s}}`, `{"":1,%s:%s}`} {
					sameAsReference(t, typ, fmt.Sprintf(format, quoted, leaf), true)
					sameAsReference(t, typ, fmt.Sprintf(format, quoted, leaf), false)
				}
			}
		}
	}
}

// sameAsReference compares, and reports whether the text was taken.
func sameAsReference(t *testing.T, typ reflect.Type, text string, known bool) bool {
	t.Helper()
	got, want := reflect.New(typ), reflect.New(typ)
	var err error
	if known {
		err = jose.DecodeJSON([]byte(text), got.Interface())
	} else {
		err = jose.DecodeKnownJSON(text, got.Interface())
	}
	fits := referenceDecode(text, want.Interface(), known)
	if fits != (err == nil) {
		t.Errorf("%v, %t: %s: %v; the reference says %t", typ, known, text, err, fits)
	} else if !reflect.DeepEqual(got.Interface(), want.Interface()) {
		t.Errorf("%v, %t: %s:\ngot  %+v\nwant %+v", typ, known, text, got.Elem(), want.Elem())
	}
	return fits
}
