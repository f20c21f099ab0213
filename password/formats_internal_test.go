package password

import (
	"errors"
	"testing"
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
		h := s.(*argon2id)
		c := h.costs
		if c.MemoryKiB > 256<<10 || c.Passes > 16 || c.Lanes > 4 || c.MemoryKiB*c.Passes > 1<<20 || len(h.salt) > 64 ||
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
