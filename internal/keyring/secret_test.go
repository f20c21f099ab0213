package keyring_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/hallpass-go/hallpass/internal/keyring"
)

func TestLoadSecret_makesAFileForItsOwnerAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	secret, err := keyring.LoadSecret(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(secret) != keyring.SecretSize {
		t.Errorf("%d bytes, want %d", len(secret), keyring.SecretSize)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %04o, want 0600", info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := hex.EncodeToString(secret) + "\n"; string(text) != want {
		t.Error("the file is not the secret in hexadecimal and a line feed")
	}
	again, err := keyring.LoadSecret(path)
	if err != nil || !bytes.Equal(again, secret) {
		t.Errorf("read again: another secret (%v)", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder has %d entries (%v), want the secret alone", len(entries), err)
	}
}

func TestLoadSecret_bySeveralAtOnceGivesOneSecret(t *testing.T) {
	const callers = 16
	for range 10 {
		path := filepath.Join(t.TempDir(), "secret")
		secrets := make([][]byte, callers)
		var ready, done sync.WaitGroup
		ready.Add(1)
		for i := range callers {
			done.Go(func() {
				ready.Wait()
				var err error
				if secrets[i], err = keyring.LoadSecret(path); err != nil {
					t.Error(err)
				}
			})
		}
		ready.Done()
		done.Wait()
		for _, s := range secrets {
			if !bytes.Equal(s, secrets[0]) {
				t.Fatal("two callers got different secrets")
			}
		}
	}
}

func TestLoadSecret_refusesWhatOthersCanReach(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("permission bits: Windows has none")
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o602, 0o644, 0o610} {
		path := filepath.Join(t.TempDir(), "secret")
		if _, err := keyring.LoadSecret(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := keyring.LoadSecret(path)
		if err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %04o: err = %v, want one that says chmod 600", mode, err)
		}
	}
}

func TestLoadSecret_refusesALinkAndAFolder(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if _, err := keyring.LoadSecret(real); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	dangling := filepath.Join(dir, "dangling")
	if err := os.Symlink(filepath.Join(dir, "nowhere"), dangling); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, dangling, dir} {
		if _, err := keyring.LoadSecret(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: err = %v, want one that says what it is", filepath.Base(path), err)
		}
	}
}

func TestLoadSecret_refusesTheFileOfAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("root: only root can give a file away")
	}
	path := filepath.Join(t.TempDir(), "secret")
	if _, err := keyring.LoadSecret(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 12345, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.LoadSecret(path); err == nil || !strings.Contains(err.Error(), "belongs to user 12345") {
		t.Errorf("err = %v, want one that names the owner", err)
	}
}

func TestLoadSecret_refusesWhatIsNoSecret(t *testing.T) {
	good := "3f" + strings.Repeat("a1b2c3", 10) + "00"
	for name, text := range map[string]string{
		"empty":          "",
		"cut short":      good[:62],
		"too long":       good + "00",
		"not hex":        strings.Repeat("zz", 32),
		"two lines":      good + "\n" + good,
		"all zero":       strings.Repeat("00", 32),
		"one byte":       strings.Repeat("ab", 32),
		"very long file": good + strings.Repeat(" ", 4096) + good,
	} {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := keyring.LoadSecret(path)
		if err == nil {
			t.Errorf("%s: taken", name)
			continue
		}
		if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error tells the text", name)
		}
		if after, _ := os.ReadFile(path); string(after) != text {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func TestLoadSecret_leavesNothingWhereItCannotWrite(t *testing.T) {
	if _, err := keyring.LoadSecret(filepath.Join(t.TempDir(), "missing", "secret")); err == nil {
		t.Error("a secret in a folder that does not exist")
	}
}

func TestParseSecret_takesHexAndBlanksAround(t *testing.T) {
	text := strings.Repeat("0123456789abcdef", 4)
	want, _ := hex.DecodeString(text)
	for _, form := range []string{text, text + "\n", " " + text + "\r\n", strings.ToUpper(text)} {
		got, err := keyring.ParseSecret(form)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q: %x, %v", form, got, err)
		}
	}
}
