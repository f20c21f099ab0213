package jwk

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hallpass-go/hallpass/internal/jose"
)

// maxKept is the largest allowed file of a kept set: the longest answer, and what stands around it.
const maxKept = maxAnswerBytes + 16<<10

// keptSet is the content of [RemoteConfig.File]: a set as it was fetched, and its [Origin].
type keptSet struct {
	Issuer      string          `json:"issuer,omitempty"`
	MetadataURL string          `json:"metadata_url,omitempty"`
	KeysURL     string          `json:"keys_url"`
	FetchedAt   time.Time       `json:"fetched_at"`
	MaxAge      int64           `json:"max_age"` // in seconds, as its answer said
	Set         json.RawMessage `json:"set"`
}

// recall makes the kept set the current one, as if this program had fetched it.
func (r *Remote) recall() {
	if r.config.File == "" {
		return
	}
	set, err := r.readKept()
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		r.failed(fmt.Errorf("jwk: the keys in %s are not used: %w", r.config.File, err))
	case r.config.Now().Before(set.staleUntil):
		r.current.Store(set)
	}
}

func (r *Remote) readKept() (*remoteSet, error) {
	kept, err := r.openKept()
	if err != nil {
		return nil, err
	}
	if kept.FetchedAt.After(r.config.Now()) {
		return nil, errors.New("they were fetched in the future: check the clock")
	}
	return r.read(kept.Set, time.Duration(kept.MaxAge)*time.Second, Origin{
		Issuer: kept.Issuer, MetadataURL: kept.MetadataURL, KeysURL: kept.KeysURL, FetchedAt: kept.FetchedAt,
	})
}

// openKept reads the file if it is one of this remote set's own.
func (r *Remote) openKept() (kept keptSet, err error) {
	data, err := readOwn(r.config.File, maxKept, checkUnwritable)
	if err != nil {
		return kept, err
	}
	if err := jose.DecodeJSON(data, &kept); err != nil || kept.KeysURL == "" {
		return kept, errors.New("the file is damaged, or of another kind: remove it if nobody needs it")
	}
	if !r.isOwn(kept) {
		return kept, fmt.Errorf(
			"they are of %.200q: give each issuer its own file, or remove it", cmp.Or(kept.Issuer, kept.KeysURL),
		)
	}
	return kept, nil
}

// isOwn reports whether a kept set is of this issuer, or of this URL.
func (r *Remote) isOwn(kept keptSet) bool {
	if r.metadata == nil {
		return kept.Issuer == "" && kept.KeysURL == r.fetcher.url
	}
	sameMetadata := r.config.MetadataURL == "" || kept.MetadataURL == r.metadata.fetchers[0].url
	return kept.Issuer == r.metadata.issuer && sameMetadata
}

// keep writes the current set to the file. It replaces only a file of its own.
func (r *Remote) keep() error {
	if r.config.File == "" {
		return nil
	}
	if !r.writing.TryLock() {
		return fmt.Errorf("jwk: keeping keys in %s: the last write has not ended", r.config.File)
	}
	defer r.writing.Unlock()
	if err := r.replaceKept(r.current.Load()); err != nil {
		return fmt.Errorf("jwk: keeping keys in %s: %w", r.config.File, err)
	}
	return nil
}

func (r *Remote) replaceKept(set *remoteSet) error {
	if _, err := r.openKept(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // which would make some sets too long to read
	err := encoder.Encode(keptSet{
		Issuer: set.origin.Issuer, MetadataURL: set.origin.MetadataURL, KeysURL: set.origin.KeysURL,
		FetchedAt: set.origin.FetchedAt.UTC(), MaxAge: int64(set.maxAge / time.Second), Set: set.text,
	})
	if err != nil {
		return err
	}
	return replaceFile(r.config.File, text.Bytes())
}

// replaceFile writes a file of mode 0600, complete or not at all.
func replaceFile(path string, data []byte) error {
	temporary, err := writeTemporary(path, data)
	if err != nil {
		return err
	}
	defer os.Remove(temporary)
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
