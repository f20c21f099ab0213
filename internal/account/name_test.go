package account_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/hallpass-go/hallpass/internal/account"
)

// Names and their keys. The key "" marks a name that is not allowed.
var names = []struct{ what, name, key string }{
	{"plain", "anna", "anna"},
	{"capitals", "ANNA", "anna"},
	{"one letter", "a", "a"},
	{"digits", "2600", "2600"},
	{"ASCII punctuation", "a.b-c_d+e", "a.b-c_d+e"},
	{"an address", "Anna@Example.org", "anna@example.org"},
	{"markup", "<b>&\"'", "<b>&\"'"},
	{"a path", "../../etc", "../../etc"},
	{"64 letters", strings.Repeat("a", 64), strings.Repeat("a", 64)},
	{"64 letters of 3 bytes", strings.Repeat("木", 64), strings.Repeat("木", 64)},
	{"64 letters, typed decomposed", strings.Repeat("e\u0301", 64), strings.Repeat("é", 64)},
	{"65 letters", strings.Repeat("a", 65), ""},
	{"64 letters that fold to 65", strings.Repeat("a", 63) + "ß", ""},
	{"a megabyte", strings.Repeat("a", 1<<20), ""},
	{"empty", "", ""},
	{"not UTF-8", "a\xff", ""},
	{"overlong NUL", "a\xc0\x80", ""},
	{"surrogate", "a\xed\xa0\x80", ""},

	{"NUL", "anna\x00", ""},
	{"line feed", "anna\n", ""},
	{"carriage return", "an\rna", ""},
	{"escape", "an\x1b[31mna", ""},
	{"delete", "anna\x7f", ""},
	{"C1 control", "anna\u0085", ""},
	{"colon", "anna:b", ""},
	{"fullwidth colon", "anna：b", ""},

	{"leading blank", " anna", ""},
	{"trailing blank", "anna ", ""},
	{"blank inside", "an na", ""},
	{"tab", "an\tna", ""},
	{"no-break space", "an\u00a0na", ""},
	{"ideographic space", "anna\u3000", ""},
	{"line separator", "an\u2028na", ""},
	{"braille blank", "anna\u2800", ""},
	{"Hangul filler", "anna\u3164", ""},
	{"halfwidth Hangul filler", "anna\uffa0", ""},

	{"zero-width space", "an\u200bna", ""},
	{"zero-width non-joiner", "an\u200cna", ""},
	{"zero-width joiner", "an\u200dna", ""},
	{"joiner where Devanagari has it", "क\u094d\u200dष", ""},
	{"word joiner", "an\u2060na", ""},
	{"byte order mark", "\ufeffanna", ""},
	{"soft hyphen", "an\u00adna", ""},
	{"grapheme joiner", "an\u034fna", ""},
	{"variation selector", "anna\ufe0f", ""},
	{"tag letter", "anna\U000e0061", ""},
	{"right-to-left override", "an\u202ena", ""},
	{"left-to-right override", "an\u202dna", ""},
	{"isolate", "\u2066anna\u2069", ""},
	{"left-to-right mark", "anna\u200e", ""},
	{"private use", "anna\ue000", ""},
	{"unassigned", "anna\u0378", ""},
	{"noncharacter", "anna\ufdd0", ""},
	{"emoji", "anna😀", ""},

	{"Hebrew", "שלום", "שלום"},
	{"Hebrew and digits", "שלום7", "שלום7"},
	{"Hebrew after Latin", "anשלום", ""},
	{"Arabic digits of both kinds", "ب٣۴", ""},

	{"composed", "é", "é"},
	{"decomposed", "e\u0301", "é"},
	{"marks in another order", "a\u0323\u0302", "ậ"},
	{"marks in an order", "a\u0302\u0323", "ậ"},
	{"4 marks", "a" + strings.Repeat("\u0301", 4), "á" + strings.Repeat("\u0301", 3)},
	{"5 marks", "a" + strings.Repeat("\u0301", 5), ""},
	{"50 marks", "a" + strings.Repeat("\u0316", 50), ""},
	{"4 marks on a letter that has one", "é" + strings.Repeat("\u0316", 4), ""},
	{"a mark alone", "\u0301", ""},
	{"a leading mark", "\u0301a", ""},
	{"a leading mark that takes space", "\u0903क", ""},

	{"dotless i", "ısmet", "ısmet"},
	{"dotted capital I", "İsmet", "i\u0307smet"},
	{"capital I", "Ismet", "ismet"},
	{"sharp s", "Straße", "strasse"},
	{"capital sharp s", "STRAẞE", "strasse"},
	{"final sigma", "νίκος", "νίκοσ"},
	{"capital sigma", "ΝΊΚΟΣ", "νίκοσ"},
	{"three parts in one letter", "ΐ", "\u0390"},
	{"Cherokee capital", "Ꭰ", "Ꭰ"},
	{"Cherokee small", "ꭰ", "Ꭰ"},

	{"fullwidth", "Ａｎｎａ", "anna"},
	{"halfwidth katakana", "ｱﾝﾅ", "アンナ"},
	{"halfwidth voiced", "ｶﾞ", "ガ"},
	{"Hangul jamo", "\u1100\u1161", "가"},
	{"Kelvin sign", "\u212aate", "kate"},
	{"Angstrom sign", "\u212bke", "åke"},
	{"Ohm sign", "\u2126", "ω"},
	{"ligature", "ﬁnn", ""},
	{"superscript", "x²", ""},
	{"circled letter", "ⓐnna", ""},
	{"mathematical bold", "𝐚nna", ""},
	{"Roman numeral", "ⅷ", ""},
	{"long s", "ſam", ""},
	{"Latin with a Cyrillic letter", "аnna", "аnna"},
}

func TestCanonicalUsername_table(t *testing.T) {
	for _, row := range names {
		key, err := account.CanonicalUsername(row.name)
		if row.key == "" {
			var invalid *account.InvalidError
			if !errors.As(err, &invalid) || key != "" {
				t.Errorf("%s: %q, %v, want an InvalidError", row.what, key, err)
			}
			continue
		}
		if err != nil || key != row.key {
			t.Errorf("%s: %+q, %v, want %+q", row.what, key, err, row.key)
		}
		if again, err := account.CanonicalUsername(key); err != nil || again != key {
			t.Errorf("%s: the key's own key is %+q, %v, want %+q", row.what, again, err, key)
		}
	}
}

// Two names of the table belong to the same user exactly if their keys are equal.
func TestCreate_comparesNamesByTheirKeys(t *testing.T) {
	a, _ := newAccounts(t)
	ids := map[string]string{}
	for _, row := range names {
		u, err := a.Create(t.Context(), account.NewUser{Username: row.name, Password: secret})
		switch id, taken := ids[row.key]; {
		case row.key == "":
			if len(problems(t, err)) != 1 {
				t.Errorf("%s: %v", row.what, err)
			}
			continue
		case taken && !errors.Is(err, account.ErrUsernameTaken):
			t.Errorf("%s: err = %v, want ErrUsernameTaken", row.what, err)
		case taken:
			u.ID = id
		case err != nil || u.Username != row.name:
			t.Errorf("%s: %+v, %v", row.what, u, err)
		}
		ids[row.key] = u.ID
		if found, err := a.UserByUsername(t.Context(), row.name); err != nil || found.ID != u.ID {
			t.Errorf("%s: found %q, %v, want %q", row.what, found.ID, err, u.ID)
		}
	}
}

func TestCanonicalUsername_doesLittleWorkForALongName(t *testing.T) {
	name := strings.Repeat("e\u0323\u0301", 200_000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := account.CanonicalUsername(name)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; err == nil || used > 1<<16 {
		t.Errorf("%d bytes were allocated for a name of %d (%v)", used, len(name), err)
	}
}

func TestCanonicalUsername_ofEveryCharacter(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		key, err := account.CanonicalUsername("a" + string(r))
		if err != nil {
			continue
		}
		if !unicode.IsGraphic(r) || unicode.IsSpace(r) {
			t.Errorf("%U cannot be seen and is taken", r)
		}
		if again, err := account.CanonicalUsername(key); err != nil || again != key {
			t.Errorf("%U: the key's own key is %+q, %v, want %+q", r, again, err, key)
		}
		if r == 'İ' || r == 'ı' { // their case depends on the language
			continue
		}
		for _, c := range []rune{unicode.ToUpper(r), unicode.ToLower(r), unicode.ToTitle(r)} {
			if other, err := account.CanonicalUsername("a" + string(c)); err == nil && other != key {
				t.Errorf("%U and %U differ in case alone and have keys %+q and %+q", r, c, key, other)
			}
		}
	}
}

func FuzzCanonicalUsername(f *testing.F) {
	for _, row := range names {
		f.Add(row.name[:min(len(row.name), 200)])
	}
	f.Fuzz(func(t *testing.T, name string) {
		key, err := account.CanonicalUsername(name)
		if err != nil {
			return
		}
		if n := utf8.RuneCountInString(key); n < 1 || n > 64 || strings.ContainsAny(key, ": \t\r\n\x00") {
			t.Errorf("%+q: key %+q", name, key)
		}
		if again, err := account.CanonicalUsername(key); err != nil || again != key {
			t.Errorf("%+q: key %+q, and its own key %+q, %v", name, key, again, err)
		}
	})
}

func TestCreate_checksTheAddress(t *testing.T) {
	long := strings.Repeat("a", 64) + "@" + strings.Repeat("b.", 94)
	for _, row := range []struct {
		email string
		valid bool
	}{
		{"", true},
		{"anna@example.org", true},
		{"anna+tag@sub.example.org", true},
		{"anna@localhost", true},
		{"änna@exämple.org", true},
		{long + "c", true}, // 254 bytes
		{long + "cd", false},
		{"anna", false},
		{"@example.org", false},
		{"anna@", false},
		{"anna@@example.org", false},
		{"anna@bert@example.org", false},
		{"<anna@example.org>", false},
		{"Anna <anna@example.org>", false},
		{"anna@example.org (Anna)", false},
		{"anna@example.org, bert@example.org", false},
		{"anna@example.org,bert", false},
		{`"an na"@example.org`, false},
		{" anna@example.org", false},
		{"anna@example.org ", false},
		{"anna@exam\tple.org", false},
		{"anna@example.org\r\nBcc: all@example.org", false},
		{"anna@example.org\x00", false},
		{"an\u200bna@example.org", false},
		{"an\u202ena@example.org", false},
		{"anna@[127.0.0.1]", false},
		{"an\xffna@example.org", false},
		{"anna..b@example.org", false},
		{"=?utf-8?q?anna?=@example.org", true}, // an ordinary atom, which is never decoded
	} {
		a, _ := newAccounts(t)
		_, err := a.Create(t.Context(), account.NewUser{Username: "anna", Email: row.email, Password: secret})
		if row.valid != (err == nil) {
			t.Errorf("%q: err = %v, want valid = %v", row.email, err, row.valid)
		}
		if err != nil && len(problems(t, err)) != 1 {
			t.Errorf("%q: %v", row.email, err)
		}
	}
}
