package jwt_test

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/jwt"
)

type (
	grade   int
	level   string
	loud    string
	quietly struct {
		A int `json:"a"`
	}
)

func (l loud) MarshalText() ([]byte, error) { return []byte(strings.ToUpper(string(l))), nil }

func (q *quietly) MarshalJSON() ([]byte, error) { return []byte(`{"b":1}`), nil }

// TestSign_ownClaimsAreWhatEncodingJSONWrites, whichever way they are written.
func TestSign_ownClaimsAreWhatEncodingJSONWrites(t *testing.T) {
	key, _ := pair(t, jwk.HS256)
	type plainClaims struct {
		Plan   string   `json:"plan"`
		Level  level    `json:"level,omitempty"`
		Grade  grade    `json:"grade"`
		Seats  int8     `json:"seats,omitempty"`
		Total  uint64   `json:"total"`
		Trial  bool     `json:"trial"`
		Beta   bool     `json:"beta,omitempty"`
		List   []string `json:"list"`
		Levels []level  `json:"levels,omitempty"`
		Name   string
	}
	full := plainClaims{
		"gold", "high", -7, math.MinInt8, math.MaxUint64, true, true, []string{"a", ""}, []level{"l"}, "n",
	}
	var fields []reflect.StructField
	for _, name := range []string{"A", "B", "C"} {
		tag := reflect.StructTag(`json:"x"`)
		if name == "C" {
			tag = ""
		}
		fields = append(fields, reflect.StructField{Name: name, Type: reflect.TypeFor[int](), Tag: tag})
	}
	twice := reflect.New(reflect.StructOf(fields)).Elem()
	with := func(change func(*plainClaims)) plainClaims {
		c := full
		change(&c)
		return c
	}
	for name, custom := range map[string]any{
		"nothing set":            plainClaims{},
		"all set":                full,
		"a pointer":              &full,
		"empty lists":            plainClaims{List: []string{}, Levels: []level{}},
		"what HTML escapes":      with(func(c *plainClaims) { c.Plan = "<a&b>" }),
		"in a list":              with(func(c *plainClaims) { c.List = []string{"a", "<"} }),
		"quotes":                 with(func(c *plainClaims) { c.Plan = `a"b\\c` }),
		"a control character":    with(func(c *plainClaims) { c.Plan = "a\nb\x7f" }),
		"other letters":          with(func(c *plainClaims) { c.Level = "é\u2028" }),
		"invalid UTF-8":          with(func(c *plainClaims) { c.Name = "a\xff" }),
		"a map":                  map[string]any{"b": 1, "a": []int{2}},
		"a text":                 struct{ L loud }{"loud"},
		"texts":                  struct{ L []loud }{[]loud{"loud"}},
		"one that writes itself": &quietly{},
		"one that would":         quietly{},
		"a number in quotes": struct {
			N int `json:"n,string"`
		}{7},
		"a zero to be left out": struct {
			T time.Time `json:"t,omitzero"`
			N int       `json:"n,omitzero"`
			M int
		}{},
		"a hidden field": struct {
			A int
			b int
		}{1, 2},
		"a field without a name": struct {
			A int `json:",omitempty"`
			B int `json:"-"`
			//lint:ignore SA5008 a tag that nobody should write is read as encoding/json reads it
			C int `json:"-,"`
			D int `json:"a b"`
		}{1, 2, 3, 4},
		"one name twice": twice.Interface(),
		"an embedded struct": struct {
			quietly
			C int
		}{C: 3},
		"other kinds": struct {
			F float64
			M json.Number
			R json.RawMessage
			B []byte
			P *int
			X any
		}{1.5, "7", json.RawMessage(`{ "a" : 1 }`), []byte{1}, nil, true},
	} {
		bare, err := jwt.Sign(key, jwt.TypeAccess, usual(), nil)
		if err != nil {
			t.Fatal(err)
		}
		claims := mustDecode(t, strings.Split(bare, ".")[1])
		own, err := json.Marshal(custom)
		if err != nil {
			t.Fatal(err)
		}
		want := string(claims[:len(claims)-1]) + "," + string(own[1:])
		for range 2 { // the writer is used again
			token, err := jwt.Sign(key, jwt.TypeAccess, usual(), custom)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got := string(mustDecode(t, strings.Split(token, ".")[1])); got != want {
				t.Errorf("%s:\n got %s\nwant %s", name, got, want)
			}
		}
	}
}
