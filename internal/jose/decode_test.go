package jose_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/hallpass-go/hallpass/internal/jose"
)

type inner struct {
	City string `json:"city"`
	Zip  *int   `json:"zip"`
}

type embedded struct {
	Note string `json:"note"`
}

type outer struct {
	embedded
	Name    string            `json:"name"`
	Age     int8              `json:"age"`
	Ratio   float64           `json:"ratio"`
	On      bool              `json:"on"`
	Tags    []string          `json:"tags"`
	Home    inner             `json:"home"`
	Others  []inner           `json:"others"`
	Labels  map[string]int    `json:"labels"`
	Nick    *string           `json:"nick"`
	At      time.Time         `json:"at"`
	Raw     json.RawMessage   `json:"raw"`
	Any     any               `json:"any"`
	Plain   string            // matched by its own name
	Hidden  string            `json:"-"`
	private string            // never matched
	Deep    map[string]*inner `json:"deep"`
}

func TestDecodeJSON_fillsEveryKindOfField(t *testing.T) {
	var got outer
	err := jose.DecodeJSON([]byte(`{
		"note":"n","name":"a","age":-7,"ratio":1.5,"on":true,"tags":["x","y"],"home":{"city":"c","zip":8},
		"others":[{"city":"d"}],"labels":{"one":1},"nick":"k","at":"2026-11-23T10:00:00Z","raw":{"b": 1},
		"any":[1,"z"],"Plain":"p","deep":{"k":{"city":"e"}}}`), &got)
	if err != nil {
		t.Fatal(err)
	}
	zip, nick := 8, "k"
	want := outer{
		embedded: embedded{"n"}, Name: "a", Age: -7, Ratio: 1.5, On: true, Tags: []string{"x", "y"},
		Home: inner{"c", &zip}, Others: []inner{{City: "d"}},
		Labels: map[string]int{"one": 1}, Nick: &nick, At: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC),
		Raw: json.RawMessage(`{"b": 1}`),
		Any: []any{1.0, "z"}, Plain: "p", Deep: map[string]*inner{"k": {City: "e"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if err := jose.DecodeJSON([]byte(`{"private":"p"}`), &got); err == nil || got.private != "" {
		t.Errorf("an unexported field was matched: %v, %q", err, got.private)
	}
}

func TestDecodeJSON_listsEveryMisfit(t *testing.T) {
	got := outer{Name: "before"}
	err := jose.DecodeJSON([]byte(`{
		"Name":"a","name":1,"age":300,"ratio":"1","on":"true","tags":["x",1],"home":{"City":"c","city":null},
		"others":{},"labels":{"one":"1"},
		"nick":null,"at":"yesterday","plain":"p","Hidden":"h","private":"p"}`), &got)
	fields, ok := errors.AsType[jose.FieldErrors](err)
	if !ok {
		t.Fatal(err)
	}
	codes := map[string]string{}
	for _, f := range fields {
		codes[f.Field] = f.Code
		if f.Detail == "" || !strings.Contains(fields.Error(), f.Field) {
			t.Errorf("%+v in %s", f, fields)
		}
	}
	want := map[string]string{
		"Name": "unknown", "name": "wrong_type", "age": "wrong_type", "ratio": "wrong_type", "on": "wrong_type",
		"tags[1]":   "wrong_type",
		"home.City": "unknown", "home.city": "wrong_type", "others": "wrong_type", "labels.one": "wrong_type",
		"nick": "wrong_type",
		"at":   "wrong_type", "plain": "unknown", "Hidden": "unknown", "private": "unknown",
	}
	if !reflect.DeepEqual(codes, want) {
		t.Errorf("got  %v\nwant %v", codes, want)
	}
	if got.Name != "before" || got.Tags != nil {
		t.Errorf("something was written: %+v", got)
	}
}

func TestDecodeJSON_wantsAnObject(t *testing.T) {
	for _, text := range []string{``, `[]`, `"a"`, `1`, `null`, `{"name":"a"}{}`, `{"name":"a","name":"b"}`} {
		var got outer
		if _, ok := errors.AsType[*jose.SyntaxError](jose.DecodeJSON([]byte(text), &got)); !ok {
			t.Errorf("%s was taken", text)
		}
	}
}

func TestDecodeJSON_showsNoMoreOfAHostileNameThanIsFit(t *testing.T) {
	var got outer
	err := jose.DecodeJSON([]byte(`{"`+strings.Repeat("x", 1000)+`":1,"a\u001b[31m\u202eb":2}`), &got)
	fields, _ := errors.AsType[jose.FieldErrors](err)
	if len(fields) != 2 || len(fields[0].Field) > 70 || strings.ContainsAny(fields[1].Field, "\x1b\u202e") {
		t.Errorf("fields %q", fields)
	}
	many := make([]string, 200)
	for i := range many {
		many[i] = `"` + strings.Repeat("u", i+1) + `":1`
	}
	err = jose.DecodeJSON([]byte(`{`+strings.Join(many, ",")+`}`), &got)
	if fields, _ := errors.AsType[jose.FieldErrors](err); len(fields) > 16 {
		t.Errorf("%d misfits listed", len(fields))
	}
}

// What may come in a token or a key beside what is known is skipped, but names are still matched
// exactly, at every depth.
func TestDecodeKnownJSON(t *testing.T) {
	var got outer
	if err := jose.DecodeKnownJSON(`{"other":[1],"NAME":"x","name":"a","home":{"CITY":"x"},`+
		`"nick":null}`, &got); err != nil {
		t.Fatal(err)
	}
	if got.Name != "a" || got.Home.City != "" || got.Nick != nil {
		t.Errorf("got %+v", got)
	}
	if err := jose.DecodeKnownJSON(`{"tags":null,"labels":null,"others":null}`, &got); err != nil {
		t.Errorf("null is what an encoder writes for no list: %v", err)
	}
	if err := jose.DecodeKnownJSON(`{"name":null}`, &got); err == nil {
		t.Error("null was taken for a string")
	}
	if err := jose.DecodeKnownJSON(`{"other":{"a":1,"a":2}}`, &got); err == nil {
		t.Error("a duplicate was skipped over")
	}
}

func FuzzDecodeJSON(f *testing.F) {
	f.Add(`{"name":"a","home":{"city":"c"},"tags":["x"]}`)
	f.Add(`{"age":1e3,"any":{"a":[{}]},"raw":[]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var got outer
		if jose.DecodeJSON([]byte(text), &got) != nil {
			if !reflect.DeepEqual(got, outer{}) {
				t.Errorf("%q was refused, and something was written", text)
			}
			return
		}
		var want outer
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatalf("%q was taken, and encoding/json says %v", text, err)
		}
		if !reflect.DeepEqual(got.Tags, want.Tags) && len(got.Tags)+len(want.Tags) > 0 || got.Name != want.Name ||
			got.Age != want.Age {
			t.Errorf("%q was read as %+v, not as %+v", text, got, want)
		}
	})
}

func TestDecodeJSON_arraysAndBytes(t *testing.T) {
	var got struct {
		Pair  [2]inner `json:"pair"`
		Bytes []byte   `json:"bytes"`
	}
	if err := jose.DecodeJSON([]byte(`{"pair":[{"city":"a"},{"city":"b"}],"bytes":"AQI="}`), &got); err != nil {
		t.Fatal(err)
	}
	if got.Pair[0].City != "a" || got.Pair[1].City != "b" || string(got.Bytes) != "\x01\x02" {
		t.Errorf("got %+v", got)
	}
	for _, text := range []string{
		`{"pair":[{"city":"a"}]}`, `{"pair":[{},{},{}]}`, `{"pair":[{"CITY":"a"},{}]}`, `{"pair":null}`,
		`{"pair":{}}`,
		`{"bytes":["a"]}`, `{"bytes":"!"}`, `{"bytes":null}`,
	} {
		if err := jose.DecodeJSON([]byte(text), &got); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

// A member whose name is empty is no field's: a field without a json name has its own.
func TestDecodeJSON_anEmptyNameIsNoField(t *testing.T) {
	var got struct{ Plain string }
	if err := jose.DecodeJSON([]byte(`{"":"x"}`), &got); err == nil || got.Plain != "" {
		t.Errorf("read as %+v, %v", got, err)
	}
}

// What is kept of a document does not keep all of it in memory, where a password may stand beside
// it.
func TestDecodeJSON_stringsHaveMemoryOfTheirOwn(t *testing.T) {
	var got outer
	text := `{"name":"plain","tags":["one"],"labels":{"key":1},"any":{"k":"v"}}`
	if err := jose.DecodeKnownJSON(text, &got); err != nil {
		t.Fatal(err)
	}
	start := uintptr(unsafe.Pointer(unsafe.StringData(text)))
	kept := []string{got.Name, got.Tags[0], got.Any.(map[string]any)["k"].(string)}
	for key := range got.Labels {
		kept = append(kept, key)
	}
	for key := range got.Any.(map[string]any) {
		kept = append(kept, key)
	}
	for _, value := range kept {
		if at := uintptr(unsafe.Pointer(unsafe.StringData(value))); start <= at && at < start+uintptr(len(text)) {
			t.Errorf("%q is a piece of the document", value)
		}
	}
}
