package jwk_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/hallpass-go/hallpass/jwk"
)

func TestOpenFile_makesAKeyOnFirstRunAndKeepsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	first, err := jwk.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	key, err := first.SigningKey(t.Context())
	if err != nil || key.Algorithm() != jwk.ES256 {
		t.Fatalf("%v, %v", key, err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	second, err := jwk.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := key.Sign([]byte("m"))
	if err != nil {
		t.Fatal(err)
	}
	found, err := second.Key(t.Context(), key.ID())
	if err != nil || !found.Verify([]byte("m"), signature) {
		t.Errorf("opened again it is another key: %v", err)
	}
	if first.Secret("a") != second.Secret("a") || first.Secret("a") == first.Secret("b") {
		t.Error("the derived secrets are not what purpose and file say")
	}
	if found, err := second.Key(t.Context(), "other"); !errors.Is(err, jwk.ErrUnknownKey) || found != nil {
		t.Errorf("an unknown key: %v, %v", found, err)
	}
}

func TestCreateFile_everyAlgorithm(t *testing.T) {
	for _, alg := range append(secretAlgorithms, asymmetric...) {
		path := filepath.Join(t.TempDir(), "keys.json")
		key := signingKey(t, alg)
		if err := jwk.CreateFile(path, key); err != nil {
			t.Fatal(err)
		}
		ring, err := jwk.OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		signing, err := ring.SigningKey(t.Context())
		if err != nil || signing.ID() != key.ID() || signing.Algorithm() != alg {
			t.Errorf("%s: signs with %v, %v", alg, signing, err)
		}
		published, err := ring.Published(t.Context())
		want := 1
		if strings.HasPrefix(string(alg), "HS") {
			want = 0
		}
		if err != nil || len(published.Keys()) != want {
			t.Errorf("%s: published %v, %v", alg, published, err)
		}
		if found, err := ring.Key(t.Context(), key.ID()); err != nil || found.Algorithm() != alg {
			t.Errorf("%s: verifies with %v, %v", alg, found, err)
		}
		if err := jwk.CreateFile(path, key); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: written over: %v", alg, err)
		}
	}
	if err := jwk.CreateFile(filepath.Join(t.TempDir(), "keys.json"), nil); err == nil {
		t.Error("a file without a key was made")
	}
}

// Two programs that start together use the same key.
func TestOpenFile_manyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	ids := make([]string, 16)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			ring, err := jwk.OpenFile(path)
			if err != nil {
				t.Error(err)
				return
			}
			key, err := ring.SigningKey(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = key.ID()
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] || id == "" {
			t.Fatalf("keys %v", ids)
		}
	}
}

func TestOpenFile_refusesWhatOthersCanReach(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("permission bits say nothing on Windows")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.json")
	if _, err := jwk.OpenFile(path); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []fs.FileMode{0o640, 0o604, 0o660, 0o666, 0o610, 0o601} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := jwk.OpenFile(path)
		if err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := jwk.OpenFile(path); err != nil {
		t.Errorf("mode 400: %v", err)
	}
	link := filepath.Join(dir, "link.json")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := jwk.OpenFile(link); !errors.Is(err, jwk.ErrInvalidKey) {
		t.Errorf("a link: %v", err)
	}
	dangling := filepath.Join(dir, "dangling.json")
	if err := os.Symlink(filepath.Join(dir, "elsewhere.json"), dangling); err != nil {
		t.Fatal(err)
	}
	if _, err := jwk.OpenFile(dangling); !errors.Is(err, jwk.ErrInvalidKey) {
		t.Errorf("a link to nothing: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "elsewhere.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key was made where a link leads: %v", err)
	}
	if _, err := jwk.OpenFile(dir); err == nil {
		t.Error("a folder was opened")
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if _, err := jwk.OpenFile(path); err == nil || !strings.Contains(err.Error(), "65534") {
			t.Errorf("another user's: %v", err)
		}
	}
}

func TestOpenFile_refusesWhatIsNoRing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	if _, err := jwk.OpenFile(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	weak := document(t, jwk.HS256)
	weak["k"] = encode64(bytes.Repeat([]byte("k"), 32))
	for name, text := range map[string]string{
		"nothing":        "",
		"half of it":     string(text[:len(text)/2]),
		"twice":          string(text) + string(text),
		"a duplicate":    strings.Replace(string(text), "{", `{"secret":"AA",`, 1),
		"another member": strings.Replace(string(text), "{", `{"more":1,`, 1),
		"no secret":      fmt.Sprintf(`{"key":%s}`, whole["key"]),
		"a short secret": fmt.Sprintf(`{"key":%s,"secret":"AAAA"}`, whole["key"]),
		"no key":         fmt.Sprintf(`{"secret":%s}`, whole["secret"]),
		"a public key": fmt.Sprintf(`{"key":%s,"secret":%s}`,
			marshal(t, generate(t, jwk.ES256).Public()), whole["secret"]),
		"a weak secret":   fmt.Sprintf(`{"key":%s,"secret":%s}`, marshal(t, weak), whole["secret"]),
		"more than it is": string(text) + strings.Repeat(" ", 64<<10),
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		ring, err := jwk.OpenFile(path)
		if !errors.Is(err, jwk.ErrInvalidKey) && !errors.Is(err, jwk.ErrWeakKey) || ring != nil {
			t.Errorf("%s: %v, %v", name, ring, err)
		} else if !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), string(whole["secret"])) {
			t.Errorf("%s: %v", name, err)
		}
		if now, _ := os.ReadFile(path); string(now) != text {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func TestOpenFile_tellsWhyItCannot(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "no", "such", "folder", "keys.json")
	if _, err := jwk.OpenFile(missing); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing) {
		t.Errorf("got %v", err)
	}
}

// logged returns what the handlers of log/slog print for values.
func logged(values ...any) string {
	var text strings.Builder
	for _, handler := range []slog.Handler{slog.NewTextHandler(&text, nil), slog.NewJSONHandler(&text, nil)} {
		for _, v := range values {
			slog.New(handler).Info("m", "v", v)
		}
	}
	return text.String()
}

func TestFile_isNeverPrinted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	ring, err := jwk.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var whole struct {
		Secret string
		Key    struct{ D string }
	}
	if err := json.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		hidden := struct{ ring jwk.File }{*ring} // fmt calls no methods of unexported fields
		printed := fmt.Sprintf(verb, ring) + fmt.Sprintf(verb, *ring) + fmt.Sprintf(verb,
			hidden) + logged(
			ring,
			hidden,
		)
		for _, secret := range []string{whole.Secret, whole.Key.D} {
			if strings.Contains(printed, secret) ||
				strings.Contains(printed, fmt.Sprintf("%x", decode64(t, secret))) ||
				strings.Contains(printed, inner(fmt.Sprint(decode64(t, secret)))) {
				t.Errorf("%s prints a secret", verb)
			}
		}
	}
}
