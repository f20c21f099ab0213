package password

import (
	"bytes"
	"encoding/hex"
	"testing"

	"golang.org/x/crypto/argon2"
)

func repeated(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }

func TestDerivation_rfc9106Vector(t *testing.T) {
	d := derivation{ // RFC 9106 §5.3
		password: repeated(1, 32), salt: repeated(2, 16), secret: repeated(3, 8), data: repeated(4, 12),
		passes: 3, memoryKiB: 32, lanes: 4, tagLength: 32,
	}
	got := hex.EncodeToString(d.tag(make([]block, d.blockCount())))
	if want := "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659"; got != want {
		t.Errorf("tag %s, want %s", got, want)
	}
}

// An implementation by other people, with assembly where we have Go, over the corners of the costs.
func TestDerivation_agreesWithXCrypto(t *testing.T) {
	m := new(memory)
	for _, memoryKiB := range []uint32{8, 9, 31, 64, 300} {
		for _, passes := range []uint32{1, 2, 3} {
			for _, lanes := range []uint32{1, 2, 3, 4} {
				for _, tagLength := range []uint32{4, 32, 64, 65, 128} {
					d := derivation{
						password: repeated('p', int(memoryKiB%71)), salt: repeated('s', 8+int(passes)),
						passes: passes, memoryKiB: memoryKiB, lanes: lanes, tagLength: tagLength,
					}
					got := d.tag(m.take(d.blockCount()))
					want := argon2.IDKey(d.password, d.salt, passes, memoryKiB, uint8(lanes), tagLength)
					if !bytes.Equal(got, want) {
						t.Fatalf("m=%d t=%d p=%d, tag of %d: %x, want %x", memoryKiB, passes, lanes, tagLength, got, want)
					}
				}
			}
		}
	}
}

// The memory of a worker is used again without being cleared.
func TestDerivation_doesNotDependOnWhatTheMemoryHeld(t *testing.T) {
	d := derivation{password: []byte("p"), salt: repeated('s', 16), passes: 2, memoryKiB: 64, lanes: 1, tagLength: 32}
	clean, dirty := make([]block, 64), make([]block, 64)
	for i := range dirty {
		dirty[i][3][5] = uint64(i) * 0x9e3779b97f4a7c15
	}
	if !bytes.Equal(d.tag(clean), d.tag(dirty)) {
		t.Error("the tag depends on what the memory held before")
	}
}

// A worker's memory is reused and its input is small: hashes put no load on the garbage collector.
func TestDerivation_allocatesNextToNothing(t *testing.T) {
	h := argon2id{costs: Params{MemoryKiB: 1024, Passes: 1, Lanes: 1}, salt: repeated('s', 16)}
	var m memory
	h.derive("a password", tagLength, &m)
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h.derive("a password", tagLength, &m)
		}
	})
	if got := result.AllocedBytesPerOp(); got > 8<<10 {
		t.Errorf("%d bytes are allocated for one hash in memory that is there", got)
	}
}

func BenchmarkDerivation(b *testing.B) {
	d := derivation{password: []byte("p"), salt: repeated('s', 16), passes: 2, memoryKiB: 19456, lanes: 1, tagLength: 32}
	b.Run("hallpass", func(b *testing.B) {
		var m memory
		for b.Loop() {
			d.tag(m.take(d.blockCount()))
		}
	})
	b.Run("xcrypto", func(b *testing.B) {
		for b.Loop() {
			argon2.IDKey(d.password, d.salt, d.passes, d.memoryKiB, 1, d.tagLength)
		}
	})
}
