package password_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hallpass-go/hallpass/password"
)

const (
	composed   = "\u00fcberm\u00e4\u00dfig s\u00fc\u00dfe Fr\u00fcchte"
	decomposed = "u\u0308berma\u0308\u00dfig su\u0308\u00dfe Fru\u0308chte" // as a Mac may send it

	// Hashes at the costs of cheap that libargon2 made from these bytes.
	ofComposed   = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$mvySYbtXC1oaRS26PdKMQxGiR1jpwsnH3sIigGktjxA"
	ofDecomposed = "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$A95l0awLammuifU0mnemzwtsY6mYLL6jH5hiQNDTwrI"
)

func TestCheck_takesEverySpelling(t *testing.T) {
	g := newGovernor(t, password.GovernorConfig{Params: cheap})
	for _, c := range []struct{ name, a, b string }{
		{"composed or not", composed, decomposed},
		{"marks in another order", "ta\u0323\u0302m", "ta\u0302\u0323m"},
		{"marks, half composed", "ti\u00ea\u0301ng Vi\u1ec7t", "ti\u1ebfng Vi\u00ea\u0323t"},
		{"Hangul in syllables and in letters", "\ud55c\uae00", "\u1112\u1161\u11ab\u1100\u1173\u11af"},
		{"the sign for Angstrom", "\u212bngstr\u00f6m", "A\u030angstro\u0308m"},
		{"no-break space", "barn owl", "barn\u00a0owl"},
		{"ideographic space", "\u7d0d\u5c4b \u306e \u68df", "\u7d0d\u5c4b\u3000\u306e\u3000\u68df"},
	} {
		if c.a == c.b {
			t.Fatalf("%s: the spellings are the same", c.name)
		}
		for _, spellings := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
			encoded := mustHash(t, cheap, spellings[0])
			for _, presented := range spellings {
				if err := password.Check(encoded, presented); err != nil {
					t.Errorf("%s: set as %+q, presented as %+q: %v", c.name, spellings[0], presented, err)
				}
				needs, err := g.CheckNeedsRehash(t.Context(), encoded, presented)
				if err != nil || needs {
					t.Errorf("%s: governor: needs another hash: %v; %v", c.name, needs, err)
				}
			}
		}
	}
}

func TestCheck_takesHashesThatWereMadeFromOtherBytes(t *testing.T) {
	g := newGovernor(t, password.GovernorConfig{Params: cheap})
	for _, c := range []struct {
		name, encoded, presented string
		needsRehash              bool
		err                      error
	}{
		{"as it was set", ofDecomposed, decomposed, true, nil},
		{"in the other spelling", ofDecomposed, composed, false, password.ErrMismatch},
		{"prepared by chance", ofComposed, composed, false, nil},
		{"prepared by chance, in the other spelling", ofComposed, decomposed, false, nil},
	} {
		if err := password.Check(c.encoded, c.presented); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
		needsRehash, err := g.CheckNeedsRehash(t.Context(), c.encoded, c.presented)
		if needsRehash != c.needsRehash || !errors.Is(err, c.err) {
			t.Errorf("%s: governor: %v, %v, want %v, %v", c.name, needsRehash, err, c.needsRehash, c.err)
		}
	}
	costs := password.Params{MemoryKiB: 128, Passes: 1, AllowWeak: true}
	dearer := newGovernor(t, password.GovernorConfig{Params: costs})
	if needsRehash, err := dearer.CheckNeedsRehash(t.Context(), ofComposed, decomposed); err != nil || !needsRehash {
		t.Errorf("a hash of other costs: %v, %v", needsRehash, err)
	}
}

func TestPolicy_looksAtThePreparedPassword(t *testing.T) {
	asked := ""
	policy := password.Policy{IsBreached: func(text string) bool { asked = text; return false }}
	if err := policy.Validate(decomposed); err != nil || asked != composed {
		t.Errorf("%v; the list was asked for %+q", err, asked)
	}
	name := "zwo\u0308lfta\u0308lerwegen"
	for _, text := range []string{name + "1", "zw\u00f6lft\u00e4lerwegen1"} {
		for _, context := range []string{name, "zw\u00f6lft\u00e4lerwegen"} {
			if got := reasonOf(t, password.Policy{}.Validate(text, context)); got != password.TooCommon {
				t.Errorf("%+q for the user %+q: %q", text, context, got)
			}
		}
	}
	if got := reasonOf(t, password.Policy{}.Validate("password\u3000password")); got != password.TooCommon {
		t.Errorf("a common one with another space: %q", got)
	}
}

func TestPolicy_refusesWhatRFC8265DoesNotAllow(t *testing.T) {
	for name, text := range map[string]string{
		"tab":                             "kWz8vQp3\txRt5nBy",
		"line break":                      "kWz8vQp3xRt5nBy\n",
		"DEL":                             "kWz8vQp3xRt5nBy\x7f",
		"line separator":                  "kWz8vQp3\u2028xRt5nBy",
		"zero-width space":                "kWz8vQp3\u200bxRt5nBy",
		"soft hyphen":                     "kWz8vQp3\u00adxRt5nBy",
		"byte order mark":                 "\ufeffkWz8vQp3xRt5nBy",
		"joiner where no script wants it": "\U0001f468\u200d\U0001f469 kWz8vQp3xRt5nBy",
		"variation selector":              "\u2764\ufe0f kWz8vQp3xRt5nBy",
		"private use":                     "kWz8vQp3\ue000xRt5nBy",
		"noncharacter":                    "kWz8vQp3\uffffxRt5nBy",
		"unassigned":                      "kWz8vQp3\u0378xRt5nBy",
		"middle dot out of its context":   "kWz8vQp3\u00b7xRt5nBy",
	} {
		if got := reasonOf(t, password.Policy{}.Validate(text)); got != password.Disallowed {
			t.Errorf("%s: %q", name, got)
		}
		if err := password.Check(mustHash(t, cheap, text), text); err != nil {
			t.Errorf("%s: a hash that was made all the same: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"full width":                      "\uff4bWz8vQp3xRt5nBy",
		"ligature":                        "\ufb01Wz8vQp3xRt5nBy",
		"mark at the start":               "\u0301kWz8vQp3xRt5nBy",
		"joiner that its script wants":    "\u0915\u094d\u200d\u0937 kWz8vQp3xRt5nBy",
		"middle dot in a Catalan word":    "col\u00b7leccionar xRt5nBy",
		"right to left and left to right": "\u05e9\u05dc\u05d5\u05dd kWz8vQp3xRt5nBy",
	} {
		if err := (password.Policy{}).Validate(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is sent is not the measure: another spelling of the same password is as long.
func TestPolicy_lengthIsThatOfThePreparedPassword(t *testing.T) {
	fits := strings.Repeat("z\u00fc\u00dfe Fr\u00fcchte, gr\u00f6\u00dfer als wir; ", 40)
	for len(fits) > 1024 {
		fits = fits[:strings.LastIndexByte(fits, ' ')]
	}
	sent := strings.NewReplacer("\u00fc", "u\u0308", "\u00f6", "o\u0308", " ", "\u00a0").Replace(fits)
	if len(sent) <= 1024 {
		t.Fatal("both spellings fit")
	}
	if err := (password.Policy{}).Validate(sent); err != nil {
		t.Errorf("%d bytes that are %d when prepared: %v", len(sent), len(fits), err)
	}
	// U+0958 is two code points in NFC.
	grows := strings.Repeat("\u0958\u0915x\u0959q", 75)
	if got := reasonOf(t, password.Policy{}.Validate(grows)); got != password.TooLong {
		t.Errorf("825 bytes that are 1275 when prepared: %q", got)
	}
}
