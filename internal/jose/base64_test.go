package jose_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/hallpass-go/hallpass/internal/jose"
)

func decodeBase64(text string) ([]byte, bool) {
	b := make([]byte, jose.DecodedBase64Len(len(text)))
	ok := jose.DecodeBase64Into(b, text)
	return b, ok
}

func TestDecodeBase64_isTheInverseOfEncode(t *testing.T) {
	for n := range 200 {
		want := make([]byte, n)
		rand.Read(want)
		text := jose.EncodeBase64(want)
		if len(text) != jose.EncodedBase64Len(n) || string(jose.AppendBase64([]byte("x"), want)) != "x"+text {
			t.Errorf("%d bytes: the encoders differ", n)
		}
		if got, ok := decodeBase64(text); !ok || !bytes.Equal(got, want) {
			t.Errorf("%q: %x, %v, want %x", text, got, ok, want)
		}
	}
}

// Every character at every place of every length is taken only if the whole is what the encoder
// writes.
func TestDecodeBase64_takesOneTextOnly(t *testing.T) {
	for n := range 9 {
		text := jose.EncodeBase64(bytes.Repeat([]byte{0xa5}, n))
		for place := range text {
			for c := range 256 {
				changed := text[:place] + string([]byte{byte(c)}) + text[place+1:]
				got, ok := decodeBase64(changed)
				if ok != (jose.EncodeBase64(got) == changed) ||
					!ok && strings.Contains(jose.EncodeBase64(bytes.Repeat([]byte{0xff}, 48)), changed) {
					t.Errorf("%q: %v", changed, ok)
				}
			}
		}
	}
	for _, text := range []string{"A", "AAAAA", "AA==", "AAA=", "AA\n", "AAAA\n", "AAAA\r\nAAAA",
		" AAAA", "AAAA ", "AB", "AAB", "AA+A", "AA/A", "AAAA\x00"} {
		if _, ok := decodeBase64(text); ok {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestDecodeBase64_wantsRoomForAll(t *testing.T) {
	for _, n := range []int{0, 2, 4} {
		if jose.DecodeBase64Into(make([]byte, n), "AAAA") {
			t.Errorf("decoded 3 bytes into %d", n)
		}
	}
}

func FuzzDecodeBase64(f *testing.F) {
	for _, seed := range []string{"", "A", "AA", "AB", "AAA", "AAAA", "AA==", "AAA\n", "_-_-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, ok := decodeBase64(text)
		want, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if wantOK := err == nil && !strings.ContainsAny(text, "\r\n"); ok != wantOK || ok && !bytes.Equal(got, want) {
			t.Errorf("%q: %x, %v; the standard library says %x, %v", text, got, ok, want, err)
		}
	})
}

func BenchmarkDecodeBase64(b *testing.B) {
	text := jose.EncodeBase64(make([]byte, 288))
	dst := make([]byte, 288)
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			if !jose.DecodeBase64Into(dst, text) {
				b.Fatal("refused")
			}
		}
	})
	b.Run("standard", func(b *testing.B) {
		source := []byte(text)
		for b.Loop() {
			if _, err := base64.RawURLEncoding.Strict().Decode(dst, source); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode", func(b *testing.B) {
		room := make([]byte, 0, 400)
		for b.Loop() {
			jose.AppendBase64(room, dst)
		}
	})
}
