package jwk_test

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallpass-go/hallpass/jwk"
)

// failureList collects what [jwk.RemoteConfig.Failed] is told.
type failureList struct {
	mu   sync.Mutex
	errs []error
}

func (l *failureList) add(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errs = append(l.errs, err)
}

func (l *failureList) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := errors.Join(l.errs...); err != nil {
		return err.Error()
	}
	return ""
}

// want waits until a failure has the words.
func (l *failureList) want(t *testing.T, words string) {
	t.Helper()
	waitFor(t, "the failure "+words, func() bool { return strings.Contains(l.all(), words) })
}

func waitFor(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for begun := time.Now(); !happened(); time.Sleep(time.Millisecond) {
		if time.Since(begun) > 10*time.Second {
			t.Fatalf("waited for %s in vain", what)
		}
	}
}

// keeper is an issuer and a program that keeps its keys in a file.
type keeper struct {
	*site
	key      *jwk.PublicKey
	path     string
	failures failureList
}

func newKeeper(t *testing.T) *keeper {
	t.Helper()
	k := &keeper{site: newSite(t), key: generate(t, jwk.ES256).Public(), path: filepath.Join(t.TempDir(), "keys")}
	k.metadata(t, openID, k.URL, "/keys")
	k.publishKeys(t, k.key)
	return k
}

func (k *keeper) publishKeys(t *testing.T, keys ...any) {
	body := setText(t, keys...)
	k.serve("/keys", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=600")
		_, _ = w.Write(body)
	})
}

// start starts the program, which has a new remote set.
func (k *keeper) start(t *testing.T) *jwk.Remote {
	t.Helper()
	return k.discover(t, k.URL, k.configure)
}

func (k *keeper) configure(c *jwk.RemoteConfig) {
	c.File, c.Failed, c.MaxStale = k.path, k.failures.add, 30*time.Minute
}

// fill makes the file.
func (k *keeper) fill(t *testing.T) {
	t.Helper()
	if !has(t, k.start(t), k.key.ID()) {
		t.Fatal("not fetched")
	}
	waitFor(t, "the file", func() bool { _, err := os.Stat(k.path); return err == nil })
	k.paths()
}

func (k *keeper) away() {
	for _, path := range []string{openID, "/keys"} {
		k.serve(path, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	}
}

func TestRemoteFile_startsWithoutTheHost(t *testing.T) {
	k := newKeeper(t)
	k.fill(t)
	first := k.start(t).Origin()
	if first.KeysURL != k.URL+"/keys" || first.MetadataURL != k.URL+openID || first.Issuer != k.URL ||
		!first.FetchedAt.Equal(time.Unix(k.now.Load(), 0)) {
		t.Errorf("after a restart the keys came from %+v", first)
	}
	k.away()
	for _, age := range []time.Duration{9 * time.Minute, 2 * time.Minute, 28 * time.Minute} {
		k.advance(age)
		if !has(t, k.start(t), k.key.ID()) {
			t.Fatal("no keys while the host is away")
		}
	}
	k.advance(2 * time.Minute) // 41 minutes: longer than the 10 of Cache-Control and 30 of MaxStale
	r := k.start(t)
	if _, err := r.Key(t.Context(), k.key.ID()); !errors.Is(err, jwk.ErrUnavailable) {
		t.Errorf("after MaxStale: %v", err)
	}
	if set, err := r.Current(t.Context()); err == nil || r.Origin() != (jwk.Origin{}) {
		t.Errorf("after MaxStale the current set is %v", set)
	}
}

func TestRemoteFile_spentTimeCountsAndTheHostComesFirst(t *testing.T) {
	k := newKeeper(t)
	k.fill(t)
	next := generate(t, jwk.ES256).Public()
	k.publishKeys(t, next)
	if !has(t, k.start(t), k.key.ID()) || len(k.paths()) != 0 {
		t.Error("a fresh set was not used as it is")
	}
	k.advance(11 * time.Minute)
	r := k.start(t)
	if has(t, r, k.key.ID()) {
		t.Error("a key that was taken back is used although the host can be reached")
	}
	if !has(t, r, next.ID()) {
		t.Error("the next key is not there")
	}
	waitFor(t, "the next key in the file", func() bool {
		kept, err := os.ReadFile(k.path)
		return err == nil && strings.Contains(string(kept), next.ID())
	})
}

func TestRemoteFile_isWrittenWholeAndPrivate(t *testing.T) {
	k := newKeeper(t)
	long := strings.Repeat("<>&", 70<<10) // if the file escaped it, it would be too long to read again
	keys := setText(t, k.key, map[string]any{"kty": "AKP", "kid": "pq", "odd": "LONG"})
	k.serve("/keys", text(bytes.Replace(keys, []byte("LONG"), []byte(long), 1)))
	k.fill(t)
	info, err := os.Stat(k.path)
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	waitFor(t, "the temporary file's end", func() bool {
		left, err := os.ReadDir(filepath.Dir(k.path))
		return err == nil && len(left) == 1
	})
	set, err := k.start(t).Current(t.Context())
	if err != nil || len(set.Keys()) != 1 || len(set.Skipped()) != 1 || set.Skipped()[0].KeyID != "pq" {
		t.Errorf("read again: %v, %v", set, err)
	}
	if told := k.failures.all(); told != "" {
		t.Errorf("told of %s", told)
	}
}

// What File does not accept is not used, and stays as it is.
func TestRemoteFile_refuses(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("permission bits say nothing on Windows")
	}
	rewrite := func(path string, text []byte) error { return os.WriteFile(path, text, 0o600) }
	for name, c := range map[string]struct {
		change func(path string, kept []byte) error
		says   string
	}{
		"writable by the group": {func(path string, _ []byte) error { return os.Chmod(path, 0o620) }, "chmod 600"},
		"writable by all":       {func(path string, _ []byte) error { return os.Chmod(path, 0o602) }, "chmod 600"},
		"a link": {func(path string, _ []byte) error {
			return errors.Join(os.Rename(path, path+"2"), os.Symlink(path+"2", path))
		}, "regular file"},
		"of another issuer": {func(path string, kept []byte) error {
			other := []byte(`"issuer":"https://other.example/`)
			return rewrite(path, bytes.Replace(kept, []byte(`"issuer":"`), other, 1))
		}, "each issuer its own file"},
		"of a URL": {func(path string, kept []byte) error {
			return rewrite(path, marshal(t, with(unmarshal(t, kept), "issuer", nil)))
		}, "each issuer its own file"},
		"with another member": {func(path string, kept []byte) error {
			return rewrite(path, marshal(t, with(unmarshal(t, kept), "more", 1)))
		}, "damaged"},
		"with a member twice": {func(path string, kept []byte) error {
			return rewrite(path, bytes.Replace(kept, []byte("{"), []byte(`{"max_age":600,`), 1))
		}, "damaged"},
		"empty": {func(path string, _ []byte) error { return os.Truncate(path, 0) }, "damaged"},
		"half":  {func(path string, kept []byte) error { return os.Truncate(path, int64(len(kept)/2)) }, "damaged"},
		"too long": {func(path string, kept []byte) error {
			return rewrite(path, append(kept, strings.Repeat(" ", 300<<10)...))
		}, "longer"},
		"the signing keys of this program": {func(path string, _ []byte) error {
			return errors.Join(os.Remove(path), jwk.CreateFile(path, generate(t, jwk.ES256)))
		}, "another kind"},
	} {
		k := newKeeper(t)
		k.fill(t)
		kept, err := os.ReadFile(k.path)
		if err := errors.Join(err, c.change(k.path, kept)); err != nil {
			t.Fatal(err)
		}
		before, _ := os.ReadFile(k.path)
		r := k.start(t)
		k.failures.want(t, c.says)
		if r.Origin() != (jwk.Origin{}) {
			t.Errorf("%s: used", name)
		}
		if !has(t, r, k.key.ID()) {
			t.Errorf("%s: the keys of the host are not used", name)
		}
		waitFor(t, "the refusal to replace it", func() bool { return strings.Count(k.failures.all(), c.says) >= 2 })
		if after, _ := os.ReadFile(k.path); string(after) != string(before) {
			t.Errorf("%s: replaced", name)
		}
	}
}

// What is only of no use is replaced.
func TestRemoteFile_replacesWhatIsOfNoUse(t *testing.T) {
	secrets := unmarshal(t, setText(t, document(t, jwk.HS256)))
	for name, c := range map[string]struct {
		member string
		value  any
	}{
		"of the future": {"fetched_at", "2999-01-01T00:00:00Z"},
		"a secret":      {"set", secrets},
		"no set":        {"set", nil},
	} {
		k := newKeeper(t)
		k.fill(t)
		kept, err := os.ReadFile(k.path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(k.path, marshal(t, with(unmarshal(t, kept), c.member, c.value)), 0o600); err != nil {
			t.Fatal(err)
		}
		r := k.start(t)
		k.failures.want(t, "are not used")
		if r.Origin() != (jwk.Origin{}) || !has(t, r, k.key.ID()) {
			t.Errorf("%s: used, or the host was not asked", name)
		}
		waitFor(t, name+" to be replaced", func() bool {
			now, err := os.ReadFile(k.path)
			return err == nil && bytes.Equal(now, kept)
		})
	}
}

// The file of another issuer is refused, whatever it holds: both directions, and for plain URLs.
func TestRemoteFile_isOfOneIssuer(t *testing.T) {
	k := newKeeper(t)
	k.fill(t)
	slash := k.discover(t, k.URL+"/", k.configure)
	k.failures.want(t, "each issuer its own file")
	if slash.Origin() != (jwk.Origin{}) {
		t.Error("used for an issuer with a slash more")
	}
	elsewhere := k.discover(t, k.URL, func(c *jwk.RemoteConfig) {
		k.configure(c)
		c.MetadataURL = k.URL + "/other"
	})
	if elsewhere.Origin() != (jwk.Origin{}) {
		t.Error("used although the metadata is now elsewhere")
	}
	var config jwk.RemoteConfig
	k.remote(t, func(c *jwk.RemoteConfig) { k.configure(c); config = *c })
	at, err := jwk.NewRemote(k.URL+"/keys", config)
	if err != nil || at.Origin() != (jwk.Origin{}) {
		t.Errorf("used for the URL of the keys by itself: %v", err)
	}
	url := filepath.Join(t.TempDir(), "url")
	p := newPublisher(t, k.key)
	keep := func(c *jwk.RemoteConfig) { c.File, c.Failed = url, k.failures.add }
	has(t, p.remote(t, keep), k.key.ID())
	waitFor(t, "the file of a URL", func() bool { _, err := os.Stat(url); return err == nil })
	if at := p.remote(t, keep).Origin().KeysURL; at != p.URL {
		t.Errorf("the keys of the URL came from %q", at)
	}
	if other := newPublisher(t).remote(t, keep); other.Origin() != (jwk.Origin{}) {
		t.Error("used for another URL")
	}
}

func TestRemoteFile_aFailedWriteIsToldAndChangesNothingElse(t *testing.T) {
	k := newKeeper(t)
	k.path = filepath.Join(t.TempDir(), "folder", "keys")
	if err := os.Mkdir(filepath.Dir(k.path), 0o700); err != nil {
		t.Fatal(err)
	}
	r := k.start(t)
	if err := os.Remove(filepath.Dir(k.path)); err != nil {
		t.Fatal(err)
	}
	if !has(t, r, k.key.ID()) {
		t.Error("the key is not there")
	}
	k.failures.want(t, "jwk: keeping keys in "+k.path)
}
