package remembered_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/remembered"
)

func TestTable_findsWhatIsHeldAndForgetsTheOldest(t *testing.T) {
	const held = 256
	table := remembered.NewTable[int](held)
	if table.Find("") != nil {
		t.Error("an empty table has a token")
	}
	for i := range 4 * held {
		token := fmt.Sprint("token ", i)
		table.Add(&remembered.Entry[int]{Token: token, Value: i})
		table.Add(&remembered.Entry[int]{Token: token, Value: -1}) // by another request
		if e := table.Find(token); e == nil || e.Value != i {
			t.Fatalf("%s is %+v", token, e)
		}
	}
	if table.Find("token 0") != nil {
		t.Error("the oldest token is still there")
	}
	if s := table.Stats(); s.Tokens > held || s.Tokens < held/2 {
		t.Errorf("%d tokens are held", s.Tokens)
	}
	last := table.Find(fmt.Sprint("token ", 4*held-1))
	table.Forget(last)
	if table.Find(last.Token) != nil {
		t.Error("a forgotten token was found")
	}
}

// Bytes hold no text, so a large claim of bytes costs nothing when its token is remembered.
func TestOwnText_walksNoBytes(t *testing.T) {
	v := struct {
		Bytes []byte
		Each  [2][]float64
		Text  string
	}{make([]byte, 1<<24), [2][]float64{make([]float64, 1<<22), nil}, "text"}
	least := time.Hour
	for range 3 {
		begin := time.Now()
		remembered.OwnText(&v)
		least = min(least, time.Since(begin))
	}
	if least > 5*time.Millisecond || v.Text != "text" {
		t.Errorf("it took %v for 20 million numbers", least)
	}
}
