package query_test

import (
	"testing"

	"github.com/hallpass-go/hallpass/internal/query"
)

func TestParse(t *testing.T) {
	names := []string{"role*", "limit"}
	for raw, want := range map[string]bool{
		"": true, "role=a": true, "role=a&role=b&limit=1": true, "limit=": true, "ro%6ce=a": true,
		"role=a;x": false, "role=%zz": false, "%zz=a": false, "roles=a": false, "Role=a": false, "role =a": false,
		"limit=1&limit=2": false, "x": false, "role*=a": false, "=a": false, "role[]=a": false,
	} {
		if _, err := query.Parse(raw, names...); (err == nil) != want {
			t.Errorf("%q: %v", raw, err)
		}
	}
	if _, err := query.Parse("a=b"); err == nil {
		t.Error("a parameter where there are none was taken")
	}
}
