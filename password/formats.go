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
	// name is what [Format] returns.
	name string
	// parse checks the text and its costs and does no work. Its errors wrap ErrMalformed and hold
	// nothing of the text.
	parse func(encoded string) (stored, error)
}

// formats lists what Check reads. A format is one file and one line here; a line more where it has
// several spellings.
var formats = [...]format{
	{"$argon2id$", "argon2id", parseArgon2id},
	{"$argon2i$", "argon2i", parseArgon2i},
	{"$2a$", "bcrypt", parseBcrypt},
	{"$2b$", "bcrypt", parseBcrypt},
	{"$2y$", "bcrypt", parseBcrypt},
	{"$bcrypt-sha256$", "passlib bcrypt-sha256", parsePasslibBcrypt},
	{"$scrypt$", "scrypt", parseScrypt},
	{"$pbkdf2$", "pbkdf2-sha1", parsePBKDF2},
	{"$pbkdf2-sha1$", "pbkdf2-sha1", parsePBKDF2},
	{"$pbkdf2-sha256$", "pbkdf2-sha256", parsePBKDF2},
	{"$pbkdf2-sha512$", "pbkdf2-sha512", parsePBKDF2},
	{"pbkdf2:", "werkzeug pbkdf2", parseWerkzeugPBKDF2},
	{"scrypt:", "werkzeug scrypt", parseWerkzeugScrypt},
	{"pbkdf2_sha256$", "django pbkdf2_sha256", parseDjangoPBKDF2},
	{"pbkdf2_sha1$", "django pbkdf2_sha1", parseDjangoPBKDF2},
	{"argon2$", "django argon2", parseDjangoArgon2},
	{"bcrypt$", "django bcrypt", parseDjangoBcrypt},
	{"bcrypt_sha256$", "django bcrypt_sha256", parseDjangoBcryptSHA256},
	{"scrypt$", "django scrypt", parseDjangoScrypt},
	{"$firebase-scrypt$", "firebase scrypt", parseFirebase},
}

// Format returns the name of the format of a stored hash, as "argon2id" or "werkzeug pbkdf2", and
// does none of the work that a check is. The error is the one that [Check] would return: it wraps
// [ErrUnknownFormat] or [ErrMalformed] and holds nothing of the hash.
func Format(encoded string) (string, error) {
	f, err := formatOf(encoded)
	if err != nil {
		return "", err
	}
	if _, err := f.parse(encoded); err != nil {
		return "", err
	}
	return f.name, nil
}

// parse finds the format of encoded and parses it, without any of the work that a check is.
func parse(encoded string) (stored, error) {
	f, err := formatOf(encoded)
	if err != nil {
		return nil, err
	}
	return f.parse(encoded)
}

func formatOf(encoded string) (format, error) {
	for _, f := range formats {
		if !strings.HasPrefix(encoded, f.prefix) {
			continue
		}
		if len(encoded) > maxEncoded {
			return format{}, malformed("too long")
		}
		return f, nil
	}
	return format{}, ErrUnknownFormat
}

// foreign is embedded by hashes that only other software makes: each needs a new one.
type foreign struct{}

func (foreign) isMadeWith(Params) bool { return false }

// isAmbiguous reports a password that holds NUL. HMAC, and so PBKDF2 and scrypt, take "p\x00" for
// "p", and bcrypt takes "p\x00p" for it, too: a login with the longer one would leave a hash of
// ours that the shorter one no longer matches. No other software here lets anybody choose NUL.
func isAmbiguous(password string) bool { return strings.Contains(password, "\x00") }
