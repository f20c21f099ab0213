package password_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/password"
)

func reasonOf(t *testing.T, err error) password.Reason {
	t.Helper()
	var refused *password.PolicyError
	if err != nil && !errors.As(err, &refused) {
		t.Fatalf("an error of another kind: %v", err)
	}
	if err == nil {
		return ""
	}
	return refused.Reason
}

func TestPolicy_length(t *testing.T) {
	const long = "zgÜ👍 tree7house&lamp " // 21 code points and 25 bytes that no rule knows
	for _, c := range []struct {
		name   string
		policy password.Policy
		text   string
		want   password.Reason
	}{
		{"nothing", password.Policy{}, "", password.TooShort},
		{"14 by default", password.Policy{}, "kWz8vQp3xRt5nB", password.TooShort},
		{"15 by default", password.Policy{}, "kWz8vQp3xRt5nBy", ""},
		{"14 emoji are 14 characters", password.Policy{}, "🍕🚗🌵🎷🧊🦊🪁🥝🧲🪐🎈🧦🔭🧵", password.TooShort},
		{"15 emoji", password.Policy{}, "🍕🚗🌵🎷🧊🦊🪁🥝🧲🪐🎈🧦🔭🧵🛶", ""},
		{"blanks at the ends count", password.Policy{}, "  kWz8vQp3xRt5n  "[:15], ""},
		{"NUL", password.Policy{}, "kWz8\x00Qp3xRt5n\x00y", password.HoldsNUL},
		{"8 when asked for", password.Policy{MinLength: 8}, "kWz8vQp3", ""},
		{"never fewer than 8", password.Policy{MinLength: 1}, "kWz8vQp", password.TooShort},
		{"more when asked for", password.Policy{MinLength: 30}, "kWz8vQp3xRt5nBy", password.TooShort},
		{"1024 bytes", password.Policy{}, strings.Repeat(long, 41)[:1024], ""},
		{"1025 bytes", password.Policy{}, strings.Repeat(long, 41)[:1024] + "a", password.TooLong},
		{"a MiB", password.Policy{}, strings.Repeat("x", 1<<20), password.TooLong},
		{"64 of the longest characters fit always", password.Policy{MaxBytes: 1}, strings.Repeat("🍕🚗🌵🎷🧊🦊🪁🥝", 8), ""},
		{"fewer bytes when asked for", password.Policy{MaxBytes: 300}, strings.Repeat(long, 13), password.TooLong},
		{"not UTF-8", password.Policy{}, "kWz8vQp3xRt5nBy\xff", password.InvalidUTF8},
		{"a surrogate", password.Policy{}, "kWz8vQp3xRt5nBy\xed\xa0\x80", password.InvalidUTF8},
		{"composed", password.Policy{MinLength: 8}, "k\u00e9z8vQp3", ""},
		{"decomposed is no longer", password.Policy{MinLength: 9}, "ke\u0301z8vQp3", password.TooShort},
		{"composed of 8", password.Policy{MinLength: 9}, "k\u00e9z8vQp3", password.TooShort},
	} {
		if got := reasonOf(t, c.policy.Validate(c.text)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestPolicy_errorSaysTheLimitAndNotThePassword(t *testing.T) {
	err := password.Policy{}.Validate("hunter2hunter2")
	var refused *password.PolicyError
	if !errors.As(err, &refused) || refused.Limit != 15 {
		t.Fatalf("error %#v", err)
	}
	for _, text := range []string{"hunter2hunter2", "passwordpassword",
		strings.Repeat("hunter2", 200), "hunter2hunter2hunter2\xff"} {
		err := password.Policy{}.Validate(text)
		if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "passwordp") {
			t.Errorf("error %v", err)
		}
	}
}

func TestPolicy_refusesWhatGuessersTryFirst(t *testing.T) {
	for _, text := range []string{
		"password1234567", "PASSWORD1234567", "passwordpassword", "Password Password", "p@ssw0rdp@ssw0rd",
		"P4$$w0rd20242025",
		"Welcome2024!!!!", "letmeinletmein1", "iloveyouiloveyou", "1234567password", "!!!password!!!!",
		"adminadminadmin",
		"123456789012345", "111111111111111", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "abcdefghijklmno",
		"zyxwvutsrqponml", "987654321098765",
		"qwertyuiopasdfgh", "1qaz2wsx3edc4rfv", "poiuytrewqlkjhgfdsa", "asdfghjkl;'asdfghjkl",
		"qwertzuiopyxcvbnm", "!@#$%^&*()_+!@#",
		"abcabcabcabcabc", "x7k2x7k2x7k2x7k2", "x7k2qpzx7k2qpzx7k2", "        password        ",
		"абвгдежзиклмноп", "ⅠⅡⅢⅣⅤⅥⅦⅧⅨⅩⅪⅫⅠⅡⅢ",
		"correcthorsebatterystaple", "thisismypassword1", "dragonmonkeyshadow", "jennifer19841985",
		strings.Repeat("ab", 500),
	} {
		if got := reasonOf(t, password.Policy{}.Validate(text)); got != password.TooCommon {
			t.Errorf("%q: %q", text, got)
		}
	}
	for _, text := range []string{"password", "Passw0rd", "12345678", "iloveyou", "qwertyui",
		"trustno1", "sunshine1", "letmein!"} {
		if got := reasonOf(t, password.Policy{MinLength: 8}.Validate(text)); got != password.TooCommon {
			t.Errorf("of 8 characters: %q: %q", text, got)
		}
	}
}

func TestPolicy_takesWhatIsHardToGuess(t *testing.T) {
	for _, text := range []string{
		"kWz8vQp3xRt5nBy", "vetch ladle umber quoin", "the barn owl knits at dusk", "mon chat joue du tuba ici",
		"我家的猫会在半夜唱歌跳舞还吃鱼",
		"password of the lonely barn owl", "x7k2qpzvx7k2qpzv", "8 Kraniche über'm Deich",
	} {
		if err := (password.Policy{}).Validate(text, "alexander", "alexander@example.org", "Hallpass"); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestPolicy_contextMustNotMakeUpThePassword(t *testing.T) {
	context := []string{"Zwetschgenbaum", "jo.quackenbush@corvid-mail.example", "Hallpass"}
	for _, text := range []string{
		"zwetschgenbaum1", "ZWETSCHGENBAUM!", "Zw3tschg3nb4um1234", "quackenbush2024", "hallpasshallpass",
		"hallpass1234567", "corvid-mail12345",
		"jo.quackenbush@corvid-mail.example",
	} {
		if got := reasonOf(t, password.Policy{}.Validate(text, context...)); got != password.TooCommon {
			t.Errorf("%q: %q", text, got)
		}
	}
	for _, text := range []string{"zwetschgenbaum1", "quackenbush-x-y"} {
		if err := (password.Policy{}).Validate(text); err != nil {
			t.Errorf("%q without its context: %v", text, err)
		}
	}
	if err := (password.Policy{}).Validate("zwetschgenbaum und drei Eulen", context...); err != nil {
		t.Errorf("a name among other words: %v", err)
	}
}

func TestPolicy_asksTheListOfBreaches(t *testing.T) {
	asked := ""
	policy := password.Policy{IsBreached: func(text string) bool { asked = text; return true }}
	if got := reasonOf(t, policy.Validate(" kWz8vQp3xRt5nBy")); got != password.TooCommon ||
		asked != " kWz8vQp3xRt5nBy" {
		t.Errorf("%q; the list was asked for %q", got, asked)
	}
}

// What costs a validation is bounded by MaxBytes, whatever the password is made of.
func TestPolicy_isQuickAboutTheWorst(t *testing.T) {
	for _, text := range []string{
		strings.Repeat("s", 1024), strings.Repeat("passwor", 146), strings.Repeat("1234567890abcdefgh", 56),
		strings.Repeat("1!|4@5$", 146), strings.Repeat("u\u0308", 4<<20),
	} {
		start := time.Now()
		_ = password.Policy{}.Validate(text)
		if took := time.Since(start); took > 100*time.Millisecond {
			t.Errorf("%.7s…: %v", text, took)
		}
	}
}

func BenchmarkPolicy(b *testing.B) {
	for name, text := range map[string]string{"usual": "the barn owl knits at dusk",
		"1024 bytes": strings.Repeat("passwor", 146)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_ = password.Policy{}.Validate(text)
			}
		})
	}
}
