package uid_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/uid"
)

func TestNew_sortsByTime(t *testing.T) {
	at := time.UnixMilli(1800000000000)
	last := ""
	for range 100 {
		id := uid.New(at)
		if len(id) != uid.Len || strings.Trim(id, "0123456789abcdefghijklmnopqrstuv") != "" {
			t.Fatalf("identifier %q", id)
		}
		if id <= last {
			t.Errorf("%s is not after %s", id, last)
		}
		last, at = id, at.Add(time.Millisecond)
	}
	if first, second := uid.New(at), uid.New(at); first == second {
		t.Error("two identifiers of one millisecond are the same")
	}
}

func TestBytes_isTheInverseOfFromBytes(t *testing.T) {
	id := uid.New(time.Now())
	b, err := uid.Bytes(id)
	if err != nil || uid.FromBytes(b) != id {
		t.Errorf("%s came back as %s, %v", id, uid.FromBytes(b), err)
	}
	// The last character has two unused bits, which must be zero.
	for _, wrong := range []string{"", id[:25], id + "0", strings.ToUpper(id), id[:25] + "1",
		"\n" + id[1:], id[:25] + "\n", strings.Repeat("w", 26)} {
		if wrong == id {
			continue
		}
		if _, err := uid.Bytes(wrong); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
}
