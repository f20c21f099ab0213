package password

import "strings"

// stored is a hash as it was parsed: its costs are within the ceilings.
type stored interface {
	// matches reports whether password is the hash's, comparing tags in constant time.
	matches(password string, m *memory) bool
	// isMadeWith reports whether a new hash at the costs p has this algorithm and these costs.
	isMadeWith(p Params) bool
}

// format is one way of writing hashes down.
type format struct {
	// prefix is what every text of the format starts with, and none of another format.
	prefix string
	// parse checks the text and its costs and does no work. Its errors wrap ErrMalformed and hold
	// nothing of the text.
	parse func(encoded string) (stored, error)
}

// formats lists what Check reads. A format is one file and one line here.
var formats = [...]format{
	{"$argon2id$", parseArgon2id},
}

// parse finds the format of encoded and parses it, without any of the work that a check is.
func parse(encoded string) (stored, error) {
	for _, f := range formats {
		if strings.HasPrefix(encoded, f.prefix) {
			return f.parse(encoded)
		}
	}
	return nil, ErrUnknownFormat
}
