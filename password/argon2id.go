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
	maxLanes     = 16 // Django's hashes have 8
	maxNewLanes  = 4
	maxFillKiB   = 1 << 20 // memory times passes: a second or so of work

	minSalt, maxSalt = 8, 64
	minTag, maxTag   = 16, 64

	maxEncoded = 512 // bytes, of any format
)

// argon2Hash is a hash written as a PHC string: $argon2id$v=19$m=…,t=…,p=…$salt$tag, or $argon2i$….
type argon2Hash struct {
	kind      uint32 // argon2iType or argon2idType
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

func parseArgon2id(encoded string) (stored, error) { return parseArgon2(encoded, argon2idType) }

func parseArgon2i(encoded string) (stored, error) { return parseArgon2(encoded, argon2iType) }

func parseArgon2(encoded string, kind uint32) (stored, error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 6 {
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
	return &argon2Hash{kind, costs, salt, tag}, nil
}

// parseCosts reads "m=…,t=…,p=…": these three, in this order.
func parseCosts(text string) (Params, error) {
	values, err := numbers(text, ",", "m=", "t=", "p=")
	if err != nil {
		return Params{}, err
	}
	costs := Params{MemoryKiB: values[0], Passes: values[1], Lanes: values[2]}
	if err := costs.withinCeilings(); err != nil {
		return Params{}, malformed(err.Error())
	}
	return costs, nil
}

// numbers reads one number for each name, in this order, with the separator between them.
func numbers(text, separator string, names ...string) ([]uint32, error) {
	fields := strings.Split(text, separator)
	if len(fields) != len(names) {
		return nil, malformed("not as many costs as there should be")
	}
	values := make([]uint32, len(names))
	for i, name := range names {
		digits, ok := strings.CutPrefix(fields[i], name)
		n, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil || strconv.FormatUint(n, 10) != digits {
			return nil, malformed("not a cost")
		}
		values[i] = uint32(n)
	}
	return values, nil
}

// number reads a number within bounds. A leading zero is allowed.
func number(digits string, least, most uint32) (uint32, error) {
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || uint32(n) < least || uint32(n) > most || digits[0] == '+' {
		return 0, malformed("cost out of range")
	}
	return uint32(n), nil
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

func (h *argon2Hash) matches(password string, m *memory) bool {
	return equal(h.tag, h.derive(password, uint32(len(h.tag)), m))
}

func (h *argon2Hash) isMadeWith(p Params) bool {
	p.AllowWeak = h.costs.AllowWeak
	return h.kind == argon2idType && h.costs == p && len(h.salt) == saltLength && len(h.tag) == tagLength
}

// derive computes the tag of password at the costs and with the salt of h.
func (h *argon2Hash) derive(password string, tagLength uint32, m *memory) []byte {
	d := derivation{
		kind:      h.kind,
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
func (h *argon2Hash) String() string {
	name := "argon2id"
	if h.kind == argon2iType {
		name = "argon2i"
	}
	return fmt.Sprintf("$%s$v=%d$m=%d,t=%d,p=%d$%s$%s", name, argon2Version,
		h.costs.MemoryKiB, h.costs.Passes, h.costs.Lanes,
		base64.RawStdEncoding.EncodeToString(h.salt), base64.RawStdEncoding.EncodeToString(h.tag))
}
