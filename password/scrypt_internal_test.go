package password

import (
	"bytes"
	"testing"

	"golang.org/x/crypto/scrypt"
)

// An implementation by other people, over the corners of the costs.
func TestScrypt_agreesWithXCrypto(t *testing.T) {
	m := new(memory)
	for _, n := range []uint32{2, 4, 16, 128, 1024} {
		for _, r := range []uint32{1, 2, 3, 7, 8, 16} {
			for _, p := range []uint32{1, 2, 5} {
				for _, length := range []int{16, 32, 64} {
					salt := repeated('s', int(n%13))
					got, failed := scryptCosts{n, r, p}.derive("password", salt, length, m)
					want, err := scrypt.Key([]byte("password"), salt, int(n), int(r), int(p), length)
					if failed != nil || err != nil || !bytes.Equal(got, want) {
						t.Fatalf("N=%d r=%d p=%d, %d bytes: %x, want %x (%v)", n, r, p, length, got, want, err)
					}
				}
			}
		}
	}
}

// A hash of Firebase costs what scrypt in other hands costs, or an honest login would be the dearer
// one.
func TestScrypt_isAtLeastFourFifthsAsFastAsXCrypto(t *testing.T) {
	m := new(memory)
	costs := scryptCosts{1 << 14, 8, 1}
	own, xcrypto := fastest(
		15,
		func() { _, _ = costs.derive("p", repeated('s', 16), 32, m) },
		func() { _, _ = scrypt.Key([]byte("p"), repeated('s', 16), 1<<14, 8, 1, 32) },
	)
	ratio := float64(xcrypto) / float64(own)
	t.Logf("own %v, x/crypto %v: %.2f times as fast", own, xcrypto, ratio)
	if ratio < 0.8 {
		t.Errorf("%.2f times as fast as x/crypto, want 0.8 or more", ratio)
	}
}

// The memory is that of the governor's worker: nothing of scrypt's size comes from the heap, and a
// worker can be asked to give way in the middle.
func TestScrypt_takesItsMemoryFromTheWorker(t *testing.T) {
	m := &memory{mapped: true}
	defer m.release()
	paused := 0
	m.pause = func() { paused++ }
	costs := scryptCosts{1 << 14, 8, 1}
	_, _ = costs.derive("p", nil, 32, m)
	if len(m.blocks) != 16<<10 {
		t.Errorf("%d KiB were taken, want 16 MiB", len(m.blocks))
	}
	if paused < 100 {
		t.Errorf("gave way %d times", paused)
	}
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			_, _ = costs.derive("p", nil, 32, m)
		}
	})
	if result.AllocedBytesPerOp() > 64<<10 {
		t.Errorf("%d bytes of the heap", result.AllocedBytesPerOp())
	}
}
