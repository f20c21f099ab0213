package main

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/users"
)

func TestParseLimit(t *testing.T) {
	for text, want := range map[string]users.Limit{"0": {}, "off": {}, "10/1m": {Burst: 10, Per: time.Minute},
		"1/1h30m": {Burst: 1, Per: 90 * time.Minute}} {
		if got, err := parseLimit(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "10", "10/", "/1m", "0/1m", "-1/1m", "10/0s", "10/-1m", "Off", "none",
		"10/m", "ten/1m", "1.5/1m", "10/1m/1", "99999999999999999999/1m"} {
		if got, err := parseLimit(text); err == nil {
			t.Errorf("%q was taken for %+v", text, got)
		}
	}
}

// Each setting is of one limit, all limits have one, and no two are the same.
func TestLimitSettings_areOfAllLimits(t *testing.T) {
	var settings limitSettings
	fields := reflect.ValueOf(&settings).Elem()
	for i := range fields.NumField() {
		fields.Field(i).SetString(fmt.Sprintf("%d/1m", i+1))
	}
	limits, mistakes := settings.limits()
	if mistakes != nil {
		t.Fatal(mistakes)
	}
	seen, all := map[int]bool{}, reflect.ValueOf(limits)
	for i := range all.NumField() {
		l := all.Field(i).Interface().(users.Limit)
		if seen[l.Burst] || l.Burst == 0 {
			t.Errorf("%s is %+v", all.Type().Field(i).Name, l)
		}
		seen[l.Burst] = true
	}
	if all.NumField() != fields.NumField() {
		t.Errorf("%d limits and %d settings", all.NumField(), fields.NumField())
	}
	names, named := map[string]bool{}, reflect.ValueOf(limits.Named())
	for i := range named.NumField() {
		names[named.Field(i).Interface().(users.Limit).Name] = true
	}
	if len(names) != named.NumField() || names[""] {
		t.Errorf("the names are %v", names)
	}
}

// Every limit is on by default, a mistake in it is refused with its flag's name, and the table in the
// documents says what it is.
func TestLimitSettings_defaultsAreThoseOfTheDocument(t *testing.T) {
	document, err := os.ReadFile("../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	settings := reflect.TypeFor[limitSettings]()
	for i := range settings.NumField() {
		field := settings.Field(i)
		flag := "-" + strings.ToLower(regexp.MustCompile("([A-Z])").ReplaceAllString(field.Name, "-$1"))
		byDefault := field.Tag.Get("default")
		if l, err := parseLimit(byDefault); err != nil || l == (users.Limit{}) {
			t.Errorf("%s is %+v by default, %v", flag, l, err)
		}
		if row := "| `" + flag + "` | `" + byDefault + "` |"; !strings.Contains(string(document), row) {
			t.Errorf("docs/limits.md lacks the row %s", row)
		}
		wrong := good()
		reflect.ValueOf(&wrong.limitSettings).Elem().Field(i).SetString("often")
		if _, _, err := (&serveCommand{wrong}).validate(); err == nil ||
			!strings.Contains(err.Error(), flag+`: "often" is not a limit like 10/1m, or off for none`) {
			t.Errorf("%s often: %v", flag, err)
		}
	}
}
