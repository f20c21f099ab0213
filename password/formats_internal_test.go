package password

import (
	"errors"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// FuzzPHC parses and does no work. What it accepts is within the ceilings and is written back as it
// was.
func FuzzPHC(f *testing.F) {
	f.Add(Params{}.withDefaults().decoy())
	f.Add("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=4294967295,t=4294967295,p=255$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, encoded string) {
		s, err := parse(encoded)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrUnknownFormat) {
				t.Errorf("%q: an error of another kind: %v", encoded, err)
			}
			return
		}
		h, ok := s.(*argon2Hash)
		if !ok {
			return // FuzzFormats looks at the others
		}
		c := h.costs
		if c.MemoryKiB > 256<<10 || c.Passes > 16 || c.Lanes > 16 || c.MemoryKiB*c.Passes > 1<<20 || len(h.salt) > 64 ||
			len(h.tag) > 64 {
			t.Errorf("%q is beyond the ceilings", encoded)
		}
		if c.MemoryKiB < 8*c.Lanes || c.Passes < 1 || c.Lanes < 1 || len(h.salt) < 8 || len(h.tag) < 16 {
			t.Errorf("%q is beneath the floors", encoded)
		}
		if h.String() != encoded {
			t.Errorf("%q is written back as %q", encoded, h)
		}
	})
}

// FuzzFormats parses and does no work. Whatever is accepted costs no more than the ceilings say, and
// an error holds nothing of the hash.
func FuzzFormats(f *testing.F) {
	for _, encoded := range []string{
		"$2b$05$abcdefghijklmnopqrstuuXl3Fev7ZzW0Qk3bAWlhZfHqJ0a1i9Cu",
		"$bcrypt-sha256$v=2,t=2b,r=4$abcdefghijklmnopqrstuu$Xl3Fev7ZzW0Qk3bAWlhZfHqJ0a1i9Cu",
		"$bcrypt-sha256$2a,04$abcdefghijklmnopqrstuu$Xl3Fev7ZzW0Qk3bAWlhZfHqJ0a1i9Cu",
		"$scrypt$ln=10,r=8,p=1$c2FsdA$" + tag43, "$pbkdf2-sha256$100$c2FsdA$" + tag43,
		"$pbkdf2-sha512$i=100,l=32$c2FsdA$" + tag43, "pbkdf2:sha256:100$salt$" + hex64,
		"scrypt:1024:8:1$salt$" + hex64, "pbkdf2_sha256$100$salt$" + tag43 + "=",
		"scrypt$1024$salt$8$1$" + tag43 + "=", "bcrypt_sha256$$2b$05$", "bcrypt$$2b$05$",
		"argon2$argon2id$v=19$m=64,t=1,p=8$c2FsdHNhbHQ$" + tag43,
		"$argon2i$v=19$m=64,t=1,p=8$c2FsdHNhbHQ$" + tag43,
		"$firebase-scrypt$r=8,m=14,s=Bw,k=" + tag43 + "$c2FsdA$" + tag43,
	} {
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, encoded string) {
		s, err := parse(encoded)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrUnknownFormat) {
				t.Errorf("%q: an error of another kind: %v", encoded, err)
			}
			return
		}
		if len(encoded) > 512 {
			t.Errorf("%d bytes were accepted", len(encoded))
		}
		switch h := s.(type) {
		case *bcryptHash:
			cost, err := bcrypt.Cost(h.encoded)
			if err != nil || cost > 15 {
				t.Errorf("%q is beyond the ceilings: %d (%v)", encoded, cost, err)
			}
		case *scryptHash:
			checkScryptCosts(t, encoded, h.costs)
		case *firebaseHash:
			checkScryptCosts(t, encoded, h.costs)
		case *pbkdf2Hash:
			if h.iterations < 1 || h.iterations > 4_000_000 || len(h.tag) > 64 {
				t.Errorf("%q is beyond the ceilings", encoded)
			}
		}
	})
}

const (
	tag43 = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	hex64 = "0000000000000000000000000000000000000000000000000000000000000000"
)

func checkScryptCosts(t *testing.T, encoded string, c scryptCosts) {
	memory := 128 * uint64(c.n) * uint64(c.r)
	if memory > 256<<20 || memory*uint64(c.p) > 512<<20 || c.n < 2 || c.r < 1 || c.p < 1 {
		t.Errorf("%q is beyond the ceilings: %+v", encoded, c)
	}
}
