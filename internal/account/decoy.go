package account

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/hallpass-go/hallpass/password"
)

// A wrong password for an imported user takes the work of their old hash, which may be ten times
// that of ours. If a name that nobody has always took the work of ours, the time of an answer would
// tell who exists. So such names are spread over the hashes that there are: of ten users who have
// bcrypt's among a hundred, a tenth of the free names takes bcrypt's work. Which ones it is depends
// on the name and a secret, so that a name takes the same each time.

// decoysFor is how long a sample of the hashes is used. Users who log in get hashes of ours.
const decoysFor = time.Minute

// decoySample is how many hashes of imported users are looked at. Their order is that of the digests
// of their rows, in which the first are as good a sample as any.
const decoySample = 512

const selectDecoySecret = `SELECT secret FROM decoy_secret WHERE id = 1`

const selectUserCount = `SELECT count(*) FROM users`

const selectImportedCount = `SELECT count(*) FROM users WHERE imported <> ''`

const selectImportedHashes = `SELECT password_hash FROM users WHERE imported <> '' ORDER BY imported LIMIT ?`

// decoys is a sample of the stored hashes. It is safe for concurrent use.
type decoys struct {
	mu       sync.Mutex
	until    time.Time
	secret   string
	hashes   []string // of imported users: first those that are not of ours, sorted
	imported float64  // which part of all users they stand for
}

// decoy returns the hash whose work a login for the name with that key takes, which nobody has: "" for
// one of ours.
func (d *decoys) decoy(key string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.hashes) == 0 {
		return ""
	}
	mac := hmac.New(sha256.New, []byte(d.secret))
	mac.Write([]byte(key))
	place := float64(binary.BigEndian.Uint64(mac.Sum(nil))) / math.MaxUint64
	if place >= d.imported {
		return ""
	}
	return d.hashes[min(int(place/d.imported*float64(len(d.hashes))), len(d.hashes)-1)]
}

// refreshDecoys takes a new sample if the last one is old. Every login calls it, so that it does not
// tell one from another. If it fails, the last sample stays until the next login.
func (a *Accounts) refreshDecoys(ctx context.Context) {
	d := &a.decoys
	d.mu.Lock() // the others wait: without a sample they would answer too soon
	defer d.mu.Unlock()
	now := a.now()
	if now.Before(d.until) && d.until.Sub(now) <= decoysFor { // the clock may have been set back
		return
	}
	secret, hashes, imported, err := a.sampleHashes(ctx)
	if err != nil {
		return
	}
	d.secret, d.hashes, d.imported, d.until = secret, hashes, imported, now.Add(decoysFor)
}

func (a *Accounts) sampleHashes(ctx context.Context) (secret string, hashes []string, imported float64, err error) {
	hashes, err = a.importedHashes(ctx)
	if err != nil || len(hashes) == 0 {
		return "", nil, 0, err
	}
	var all, some float64
	err = errors.Join(
		a.db.QueryRow(ctx, selectDecoySecret).Scan(&secret),
		a.db.QueryRow(ctx, selectUserCount).Scan(&all),
		a.db.QueryRow(ctx, selectImportedCount).Scan(&some),
	)
	slices.Sort(hashes)
	// Hashes of ours go to the end, where the names are that take the work of ours in any case: a
	// login that replaces a hash moves few names from one work to another.
	foreign := slices.DeleteFunc(slices.Clone(hashes), func(h string) bool { return !a.passwords.NeedsRehash(h) })
	hashes = append(foreign, make([]string, len(hashes)-len(foreign))...)
	return secret, hashes, some / max(all, 1), err
}

func (a *Accounts) importedHashes(ctx context.Context) (hashes []string, err error) {
	rows, err := a.db.Query(ctx, selectImportedHashes, decoySample)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var hash string
		if err := rows.Scan(&hash); err != nil {
			return nil, err
		}
		hashes = append(hashes, hash)
	}
	return hashes, rows.Err()
}

// checkDecoy does the work of a login for a name that nobody has, and returns what is wrong, which is
// [password.ErrMismatch] if nothing else is.
func (a *Accounts) checkDecoy(ctx context.Context, key, secret string) error {
	hash := a.decoys.decoy(key)
	if hash == "" {
		return a.passwords.CheckDummy(ctx, secret)
	}
	if err := a.passwords.Check(ctx, hash, secret); err != nil {
		return err
	}
	return password.ErrMismatch // the password is somebody else's
}
