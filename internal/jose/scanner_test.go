package jose_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/jose"
)

// scan skips one value and returns what the scanner says of the whole text.
func scan(text string) error {
	s := jose.NewScanner(text)
	s.Skip()
	return s.End()
}

func TestScanner_takes(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, `""`, `0`, `-0`, `12`, `-1.5e+10`, `1E-2`, `0.5`, `true`, `false`, `null`,
		` { "a" : [ 1 , 2 ] , "b" : { } } `, "\t\r\n1\n", `"\"\\\/\b\f\n\r\t\u0041\ud83d\ude00"`, `"äöü€😀"`,
		`{"a":{"a":{"a":1}}}`, `{"a":1,"A":2}`, `"` + "\u007f" + `"`,
		strings.Repeat("[", 32) + strings.Repeat("]", 32),
		`{` + members(256) + `}`,
	} {
		if err := scan(text); err != nil {
			t.Errorf("%.60s: %v", text, err)
		}
	}
}

func TestScanner_refuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                      ``,
		"blanks":                       ` `,
		"a byte order mark":            "\ufeff{}",
		"two values":                   `{}{}`,
		"something behind":             `{} x`,
		"a comma behind":               `{},`,
		"a comment":                    `{/**/}`,
		"a duplicate":                  `{"a":1,"a":2}`,
		"a duplicate by an escape":     `{"alg":1,"\u0061lg":2}`,
		"a duplicate below":            `{"x":[{"a":1,"a":2}]}`,
		"a duplicate among many":       `{` + members(100) + `,"m7":1}`,
		"a duplicate empty name":       `{"":1,"":2}`,
		"too many members":             `{` + members(257) + `}`,
		"too deep an array":            strings.Repeat("[", 33) + strings.Repeat("]", 33),
		"too deep an object":           strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33),
		"very deep":                    strings.Repeat("[", 100_000),
		"invalid UTF-8":                "\"\xff\"",
		"an overlong form":             "\"\xc0\xaf\"",
		"a surrogate in UTF-8":         "\"\xed\xa0\x80\"",
		"invalid UTF-8 in blanks":      "{}\xff",
		"a lone high surrogate":        `"\ud800"`,
		"a lone low surrogate":         `"\udc00"`,
		"surrogates the wrong way":     `"\ude00\ud83d"`,
		"two high surrogates":          `"\ud800\ud800"`,
		"a high one and a letter":      `"\ud800x"`,
		"a control character":          "\"\n\"",
		"a NUL":                        "\"\x00\"",
		"a NUL behind an escape":       "\"\\n\x00\"",
		"an unknown escape":            `"\x41"`,
		"a short escape":               `"\u12"`,
		"an escape that is not hex":    `"\u12g4"`,
		"an escape at the end":         `"\`,
		"a string without an end":      `"a`,
		"an escaped one without":       `"a\n`,
		"a single quote":               `'a'`,
		"a leading zero":               `01`,
		"a leading plus":               `+1`,
		"a dot first":                  `.5`,
		"a dot last":                   `1.`,
		"an exponent of nothing":       `1e`,
		"an exponent of a sign":        `1e+`,
		"a minus alone":                `-`,
		"hexadecimal":                  `0x10`,
		"not a number":                 `NaN`,
		"infinity":                     `Infinity`,
		"a word cut off":               `tru`,
		"a word in capitals":           `True`,
		"an object without an end":     `{"a":1`,
		"an array without an end":      `[1`,
		"an object closed as an array": `{"a":1]`,
		"a name without quotes":        `{a:1}`,
		"a name that is a number":      `{1:1}`,
		"no colon":                     `{"a" 1}`,
		"no value":                     `{"a":}`,
		"no comma":                     `{"a":1 "b":2}`,
		"a comma too many":             `{"a":1,}`,
		"a comma first":                `[,1]`,
		"a comma last":                 `[1,]`,
		"UTF-16":                       "{\x00}\x00",
	} {
		err := scan(text)
		syntax, ok := errors.AsType[*jose.SyntaxError](err)
		if !ok {
			t.Errorf("%s was taken: %v", name, err)
			continue
		}
		if syntax.Problem == "" || syntax.Offset < 0 || syntax.Offset > len(text) ||
			!strings.Contains(syntax.Error(), syntax.Problem) {
			t.Errorf("%s: %+v", name, syntax)
		}
	}
}

func members(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf(`"m%d":%d`, i, i)
	}
	return strings.Join(names, ",")
}

// Duplicates must not be looked for in quadratic time.
func TestScanner_isLinearInHostileObjects(t *testing.T) {
	hostile := strings.Repeat(`{`+members(256)+`},`, 200)
	started := time.Now()
	if err := scan("[" + hostile[:len(hostile)-1] + "]"); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(started); took > time.Second {
		t.Errorf("%d bytes took %s", len(hostile), took)
	}
}

func TestScanner_pullsValues(t *testing.T) {
	s := jose.NewScanner(`{"s":"a\u0062","n":-1.5,"l":[1,[2],"x"],"skip":{"deep":[true,null]}}`)
	got := map[string]string{}
	object := s.Object()
	for name, ok := object.Next(&s); ok; name, ok = object.Next(&s) {
		switch name {
		case "s":
			got[name], _ = s.String()
		case "n":
			got[name], _ = s.Number()
		case "l":
			list := s.Array()
			for list.Next(&s) {
				got[name] += s.Skip() + ";"
			}
		default:
			got[name] = s.Skip()
		}
	}
	if err := s.End(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"s": "ab", "n": "-1.5", "l": `1;[2];"x";`, "skip": `{"deep":[true,null]}`}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %v", got)
	}
}

func TestScanner_wrongKinds(t *testing.T) {
	for _, text := range []string{`1`, `"a"`, `[]`, `null`} {
		s := jose.NewScanner(text)
		object := s.Object()
		if _, ok := object.Next(&s); ok || s.End() == nil {
			t.Errorf("%s was read as an object", text)
		}
	}
	s := jose.NewScanner(`"a"`)
	if _, ok := s.Number(); ok {
		t.Error("a string was read as a number")
	}
	s = jose.NewScanner(`1`)
	if _, ok := s.String(); ok {
		t.Error("a number was read as a string")
	}
}

func FuzzScanner(f *testing.F) {
	for _, seed := range []string{`{"a":1}`, `[1,2,{"b":null}]`, `"\ud83d\ude00"`, `{"a":1,"a":2}`,
		"\"\xff\"", `1e5`, strings.Repeat("[", 40)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, want := scan(text), reference(text)
		if (got == nil) != (want == nil) {
			t.Fatalf("%q: got %v, the reference says %v", text, got, want)
		}
		if got != nil {
			return
		}
		s := jose.NewScanner(text)
		if again := s.Skip(); scan(again) != nil {
			t.Errorf("%q was taken, and the value in it, %q, is not", text, again)
		}
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			t.Skip("a number beyond float64") // well-formed all the same
		}
		holder := struct{ V any }{}
		if err := jose.DecodeKnownJSON(`{"V":`+text+`}`, &holder); err != nil {
			return // one level deeper may be too deep
		}
		if !reflect.DeepEqual(holder.V, value) {
			t.Errorf("%q was read as %v, not as %v", text, holder.V, value)
		}
	})
}

func BenchmarkScanner(b *testing.B) {
	text := `{"iss":"https://issuer.example","sub":"06h0co5862doud16l5g4egmsfg",` +
		`"aud":"https://api.example","exp":1800000900,"iat":1800000000,` +
		`"jti":"06h0co58f06l9q6lloq20opqt8","client_id":"app","sid":"06h0co58f06l9q6lloq20opqt8",` +
		`"auth_time":1800000000,"scope":"read write"}`
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		s := jose.NewScanner(text)
		object := s.Object()
		for _, ok := object.Next(&s); ok; _, ok = object.Next(&s) {
			s.Skip()
		}
		if s.End() != nil {
			b.Fatal("refused")
		}
	}
}
