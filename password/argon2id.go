package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Ceilings on the costs of a stored hash, so that a row that somebody else wrote is no memory bomb
// and no endless loop.
const (
	maxMemoryKiB = 256 << 10
	maxPasses    = 16
	maxLanes     = 4
	maxFillKiB   = 1 << 20 // memory times passes: a second or so of work

	minSalt, maxSalt = 8, 64
	minTag, maxTag   = 16, 64

	maxEncoded = 256 // bytes; the longest that the ceilings allow is 213
)

// argon2id is a hash written as a PHC string: $argon2id$v=19$m=…,t=…,p=…$salt$tag.
type argon2id struct {
	costs     Params
	salt, tag []byte
}

// withinCeilings says what is wrong with p, which has its defaults, if anything.
func (p Params) withinCeilings() error {
	switch {
	case p.Lanes < 1 || p.Lanes > maxLanes:
		return errors.New("lanes out of range")
	case p.MemoryKiB < 8*p.Lanes || p.MemoryKiB > maxMemoryKiB:
		return errors.New("memory out of range")
	case p.Passes < 1 || p.Passes > maxPasses:
		return errors.New("passes out of range")
	case p.MemoryKiB*p.Passes > maxFillKiB:
		return errors.New("memory times passes out of range")
	}
	return nil
}

func parseArgon2id(encoded string) (stored, error) {
	if len(encoded) > maxEncoded {
		return nil, malformed("too long")
	}
	parts := strings.Split(encoded, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return nil, malformed("not five parts")
	}
	if parts[2] != "v=19" {
		return nil, malformed("not version 19")
	}
	costs, err := parseCosts(parts[3])
	if err != nil {
		return nil, err
	}
	salt, err := decodeBase64(parts[4], minSalt, maxSalt)
	if err != nil {
		return nil, fmt.Errorf("%w (salt)", err)
	}
	tag, err := decodeBase64(parts[5], minTag, maxTag)
	if err != nil {
		return nil, fmt.Errorf("%w (tag)", err)
	}
	return &argon2id{costs, salt, tag}, nil
}

// parseCosts reads "m=…,t=…,p=…": these three, in this order, each as short as it can be written.
func parseCosts(text string) (Params, error) {
	fields := strings.Split(text, ",")
	if len(fields) != 3 {
		return Params{}, malformed("not three costs")
	}
	var values [3]uint32
	for i, name := range []string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(fields[i], name)
		n, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil || strconv.FormatUint(n, 10) != digits {
			return Params{}, malformed("not a cost: m, t and p are wanted")
		}
		values[i] = uint32(n)
	}
	costs := Params{MemoryKiB: values[0], Passes: values[1], Lanes: values[2]}
	if err := costs.withinCeilings(); err != nil {
		return Params{}, malformed(err.Error())
	}
	return costs, nil
}

// decodeBase64 takes the one spelling that a sequence of bytes has. Decoding strictly is not
// enough: it skips line breaks.
func decodeBase64(text string, shortest, longest int) ([]byte, error) {
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || base64.RawStdEncoding.EncodeToString(b) != text {
		return nil, malformed("not base64")
	}
	if len(b) < shortest || len(b) > longest {
		return nil, malformed("length out of range")
	}
	return b, nil
}

func malformed(detail string) error { return fmt.Errorf("%w: %s", ErrMalformed, detail) }

func (h *argon2id) matches(password string, m *memory) bool {
	return equal(h.tag, h.derive(password, uint32(len(h.tag)), m))
}

func (h *argon2id) isMadeWith(p Params) bool {
	p.AllowWeak = h.costs.AllowWeak
	return h.costs == p && len(h.salt) == saltLength && len(h.tag) == tagLength
}

// derive computes the tag of password at the costs and with the salt of h.
func (h *argon2id) derive(password string, tagLength uint32, m *memory) []byte {
	d := derivation{
		password:  []byte(password),
		salt:      h.salt,
		passes:    h.costs.Passes,
		memoryKiB: h.costs.MemoryKiB,
		lanes:     h.costs.Lanes,
		tagLength: tagLength,
		pause:     m.pause,
	}
	return d.tag(m.take(d.blockCount()))
}

// String is the PHC string of h.
func (h *argon2id) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2Version,
		h.costs.MemoryKiB, h.costs.Passes, h.costs.Lanes,
		base64.RawStdEncoding.EncodeToString(h.salt), base64.RawStdEncoding.EncodeToString(h.tag))
}
