package hallpass

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/internal/uid"
	"github.com/hallpass-go/hallpass/jwk"
)

// secretRing is a ring of which only the secret matters.
type secretRing struct {
	jwk.Ring
	secret byte
}

func (r secretRing) Secret(purpose string) [32]byte {
	return [32]byte([]byte(strings.Repeat(string(r.secret), 32)))
}

func (secretRing) SigningKey(context.Context) (jwk.SigningKey, error) { return nil, jwk.ErrUnavailable }

func TestRefreshToken_readsWhatItMade(t *testing.T) {
	tokens := newRefreshTokens(secretRing{secret: 'a'})
	for _, generation := range []uint32{1, 2, 1 << 31, 1<<32 - 1} {
		id := uid.New(time.Now())
		token, err := tokens.token(id, generation)
		if err != nil {
			t.Fatal(err)
		}
		gotID, got, ok := tokens.read(token)
		if !ok || gotID != id || got != generation {
			t.Errorf("read(token(%s, %d)) = %s, %d, %t", id, generation, gotID, got, ok)
		}
	}
}

// Every bit counts and every character does: CVE-2026-27840 took a truncated token for the whole.
func TestRefreshToken_refusesEveryChange(t *testing.T) {
	tokens := newRefreshTokens(secretRing{secret: 'a'})
	token, err := tokens.token(uid.New(time.Now()), 7)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what, changed string) {
		t.Helper()
		if _, _, ok := tokens.read(changed); ok {
			t.Errorf("%s was accepted", what)
		}
	}
	for n := range len(token) {
		refused("a prefix", token[:n])
		refused("a suffix", token[n+1:])
		for bit := range 8 {
			b := []byte(token)
			b[n] ^= 1 << bit
			refused("a changed bit", string(b))
		}
		refused("a line break inside", token[:n]+"\n"+token[n:])
		refused("a line break in place of a character", token[:n]+"\n"+token[n+1:])
	}
	refused("a longer token", token+"A")
	refused("padding", token+"==")
	refused("blanks around it", " "+token)

	another := newRefreshTokens(secretRing{secret: 'b'})
	if _, _, ok := another.read(token); ok {
		t.Error("another ring's token was accepted")
	}
}

func TestRefreshToken_ofAnIDThatIsNone(t *testing.T) {
	if _, err := newRefreshTokens(secretRing{secret: 'a'}).token("short", 1); err == nil {
		t.Error("a token was made for a session ID that is none")
	}
}

func FuzzRefreshToken(f *testing.F) {
	tokens := newRefreshTokens(secretRing{secret: 'a'})
	token, err := tokens.token(uid.New(time.UnixMilli(1800000000000)), 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token)
	f.Add(token[:75])
	f.Add(strings.Repeat("A", 76))
	f.Fuzz(func(t *testing.T, presented string) {
		id, generation, ok := tokens.read(presented)
		if !ok {
			return
		}
		if again, err := tokens.token(id, generation); err != nil || again != presented {
			t.Errorf("%q was accepted and is not how its contents are written", presented)
		}
	})
}
