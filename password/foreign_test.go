package password_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/hallpass-go/hallpass/internal/foreign"
	"github.com/hallpass-go/hallpass/password"
)

// Real hashes of the real libraries, of passwords that are ASCII, that preparing would change, and
// that are longer than what bcrypt looks at.
func TestCheck_hashesOfOtherLibraries(t *testing.T) {
	long := strings.Repeat("a long sentence, ", 6)
	composed := "cafe\u0301\u00a0au lait" // neither NFC nor without a no-break space
	names := map[string]int{}
	for _, h := range foreign.Hashes(t, "correct horse battery", composed, long) {
		name, err := password.Format(h.Encoded)
		if err != nil || name != h.Format {
			t.Errorf("%s: Format says %q (%v) of %s", h.Spelling, name, err, h.Encoded)
			continue
		}
		names[h.Spelling]++
		err = password.Check(h.Encoded, h.Password)
		if h.Password == long && (h.Format == "bcrypt" || h.Format == "django bcrypt") {
			if !errors.Is(err, password.ErrMismatch) {
				t.Errorf("%s: a password over 72 bytes: %v, want a mismatch", h.Spelling, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v for the right password and %s", h.Spelling, err, h.Encoded)
		}
		for _, wrong := range []string{
			"", "correct horse batterz", h.Password + "x", h.Password + "\x00", h.Password[1:],
			h.Password + "\x00" + h.Password,
		} {
			if err := password.Check(h.Encoded, wrong); !errors.Is(err, password.ErrMismatch) {
				t.Errorf("%s: %v for the wrong password %q", h.Spelling, err, wrong)
			}
		}
		if !password.NeedsRehash(h.Encoded, password.Params{}) {
			t.Errorf("%s: needs no new hash", h.Spelling)
		}
	}
	if len(names) < 24 {
		t.Errorf("%d formats and spellings, want 24 or more", len(names))
	}
}

// A governor checks them too, and says that they need a new hash, which then is the user's.
func TestGovernor_replacesHashesOfOtherLibraries(t *testing.T) {
	costs := password.Params{MemoryKiB: 64, Passes: 1, AllowWeak: true}
	g, err := password.NewGovernor(password.GovernorConfig{Params: costs})
	if err != nil {
		t.Fatal(err)
	}
	secret := "cafe\u0301 au lait, s'il vous plait"
	for _, h := range foreign.Hashes(t, secret) {
		needs, err := g.CheckNeedsRehash(t.Context(), h.Encoded, secret)
		if err != nil || !needs {
			t.Errorf("%s: needs a new hash: %v (%v)", h.Spelling, needs, err)
			continue
		}
		ours, err := g.Hash(t.Context(), secret)
		if err != nil {
			t.Fatal(err)
		}
		needs, err = g.CheckNeedsRehash(t.Context(), ours, "caf\u00e9 au lait, s'il vous plait")
		if err != nil || needs {
			t.Errorf("%s: the new hash: needs another: %v (%v)", h.Spelling, needs, err)
		}
	}
}

// The example that Firebase publishes with its tool for these hashes.
func TestCheck_firebase(t *testing.T) {
	const project = "$firebase-scrypt$r=8,m=14,s=Bw,k=" +
		"jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA"
	const padded = "$firebase-scrypt$r=8,m=14,s=Bw==,k=" +
		"jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
	const user = "$42xEC+ixf3L2lw==$" +
		"lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
	urlSafe := strings.NewReplacer("+", "-", "/", "_").Replace(user)
	for _, encoded := range []string{project + user, padded + user, project + urlSafe} {
		if err := password.Check(encoded, "user1password"); err != nil {
			t.Errorf("%v for the right password", err)
		}
		if err := password.Check(encoded, "user2password"); !errors.Is(err, password.ErrMismatch) {
			t.Errorf("%v for a wrong password", err)
		}
	}
}

// Over 72 bytes bcrypt would take any password that starts like the right one.
func TestCheck_bcryptIsNotCutOff(t *testing.T) {
	right := strings.Repeat("x", 72)
	hash, err := bcrypt.GenerateFromPassword([]byte(right), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	if err := password.Check(string(hash), right); err != nil {
		t.Errorf("72 bytes: %v", err)
	}
	for _, tail := range []string{"y", strings.Repeat("x", 1000)} {
		if err := password.Check(string(hash), right+tail); !errors.Is(err, password.ErrMismatch) {
			t.Errorf("%d bytes: %v", 72+len(tail), err)
		}
	}
}

// What somebody else wrote is refused before any work, and the error tells nothing of the hash.
func TestCheck_refusesForeignHashesBeyondTheCeilings(t *testing.T) {
	bcryptTail := "$" + strings.Repeat("s", 53)
	hex64, secret := strings.Repeat("5e", 32), "s3cr3t"
	for _, encoded := range []string{
		"$2b$16" + bcryptTail, "$2b$31" + bcryptTail, "$2b$03" + bcryptTail, "$2b$4$" + bcryptTail,
		"$2b$+9" + bcryptTail,
		"$2b$10" + bcryptTail + "s", "$2b$10" + bcryptTail[1:], "$2b$10$" + strings.Repeat("!", 53),
		"bcrypt$" + bcryptTail, "bcrypt$$2x$10" + bcryptTail, "bcrypt_sha256$$2b$16" + bcryptTail,
		"$bcrypt-sha256$v=2,t=2b,r=16$" + strings.Repeat("s", 22) + "$" + strings.Repeat("s", 31),
		"$bcrypt-sha256$v=3,t=2b,r=10$" + strings.Repeat("s", 22) + "$" + strings.Repeat("s", 31),
		"$scrypt$ln=19,r=8,p=1$czNjcjN0$" + tag32, "$scrypt$ln=4294967295,r=8,p=1$czNjcjN0$" + tag32,
		"$scrypt$ln=10,r=4294967295,p=1$czNjcjN0$" + tag32, "$scrypt$ln=17,r=8,p=64$czNjcjN0$" + tag32,
		"$scrypt$ln=10,r=0,p=1$czNjcjN0$" + tag32, "$scrypt$ln=10,r=8,p=0$czNjcjN0$" + tag32,
		"$scrypt$ln=0,r=8,p=1$czNjcjN0$" + tag32, "$scrypt$ln=10,r=8,p=1$czNjcjN0$dGFn",
		"scrypt:1048576:8:1$" + secret + "$" + hex64, "scrypt:1000:8:1$" + secret + "$" + hex64,
		"scrypt:4294967296:8:1$" + secret + "$" + hex64, "scrypt:1024:8$" + secret + "$" + hex64,
		"scrypt$1048576$" + secret + "$8$1$" + tag32 + "=", "scrypt$1024$" + secret + "$8$1$" + tag32,
		"pbkdf2:sha256:4000001$" + secret + "$" + hex64, "pbkdf2:sha1:2000001$" + secret + "$" + hex64,
		"pbkdf2:sha256:0$" + secret + "$" + hex64, "pbkdf2:sha256:-1$" + secret + "$" + hex64,
		"pbkdf2:md5:1000$" + secret + "$" + hex64, "pbkdf2:sha256$" + secret + "$" + hex64,
		"pbkdf2:sha256:1000$" + secret + "$" + strings.ToUpper(hex64), "pbkdf2:sha256:1000$$" + hex64,
		"pbkdf2:sha256:1000$" + secret + "$", "pbkdf2:sha256:1000$" + strings.Repeat("s", 65) + "$" + hex64,
		"pbkdf2:sha256:1000$" + secret + "$" + strings.Repeat("5e", 65),
		"pbkdf2_sha256$99999999999999999999$" + secret + "$" + tag32 + "=",
		"pbkdf2_sha256$1000$" + secret + "$" + tag32, "pbkdf2_sha256$1000$" + secret,
		"$pbkdf2-sha256$4000001$czNjcjN0$" + tag32, "$pbkdf2-sha256$i=1000,l=31$czNjcjN0$" + tag32,
		"$pbkdf2-sha256$1000,l=32$czNjcjN0$" + tag32, "$pbkdf2-sha256$1000$czNjcjN0$" + tag32 + "=",
		"argon2$argon2d$v=19$m=64,t=1,p=1$" + salt16 + "$" + tag32, "argon2$argon2id$v=19$m=262145,t=1,p=1$" + salt16,
		"$argon2i$v=19$m=262144,t=16,p=1$" + salt16 + "$" + tag32,
		"$firebase-scrypt$r=8,m=19,s=Bw,k=" + tag32 + "$czNjcjN0$" + tag32,
		"$firebase-scrypt$r=8,m=14,s=Bw,k=AA$czNjcjN0$AA", "$firebase-scrypt$r=8,m=14$czNjcjN0$" + tag32,
		"$firebase-scrypt$r=8,m=14,s=Bw,k=" + tag32 + "$czNjcjN0$" + salt16,
		"pbkdf2:sha256:" + strings.Repeat("0", 500) + "1000$" + secret + "$" + hex64,
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		err := password.Check(encoded, "p")
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, password.ErrMalformed) {
			t.Errorf("%q: %v", encoded, err)
			continue
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 || took > 100*time.Millisecond {
			t.Errorf("%q: %d bytes and %v to be refused", encoded, grown, took)
		}
		for _, part := range []string{secret, "czNj", "5e5e", "ssss", "c2Fsd"} {
			if strings.Contains(err.Error(), part) {
				t.Errorf("the error holds a part of the hash: %v", err)
			}
		}
	}
	for _, encoded := range []string{"", "!", "!unusable", "$2x$10" + bcryptTail, "$2$10" + bcryptTail, "md5$salt$00",
		"sha256$salt$00", "$1$salt$hash", "$5$salt$hash", "{SSHA}abc", "$argon2d$v=19$m=64,t=1,p=1$"} {
		if _, err := password.Format(encoded); !errors.Is(err, password.ErrUnknownFormat) {
			t.Errorf("%q: %v", encoded, err)
		}
	}
}
