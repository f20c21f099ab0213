package httpcache

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// stamp holds the fields of a hit, which are the same for a second.
type stamp struct {
	second      int64 // since the entry was made
	age, status []string
}

// write answers a request with an entry. If status is empty, it is a hit.
func (e *Entry) write(w http.ResponseWriter, r *http.Request, c *Cache, now time.Time, status string) {
	h := w.Header()
	for name, values := range e.Header {
		h[name] = values
	}
	if status == "" {
		s := e.hit(c, now)
		h["Age"] = s.age
		addStatus(h, s.status)
	} else {
		addStatus(h, []string{c.c.Name + "; " + status})
	}
	if notModified(r, h) {
		writeNotModified(w)
		return
	}
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(e.Body) // the client is gone; there is nobody to tell
	}
}

// hit returns the fields that tell of a hit: Age (RFC 9111 §5.1) and Cache-Status (RFC 9211), both in
// whole seconds.
func (e *Entry) hit(c *Cache, now time.Time) *stamp {
	second := int64(now.Sub(e.Made) / time.Second)
	if s := e.stamp.Load(); s != nil && s.second == second {
		return s
	}
	left := int64(e.Fresh.Sub(now) / time.Second)
	s := &stamp{
		second: second,
		age:    []string{strconv.FormatInt(max(second, 0), 10)},
		status: []string{c.c.Name + "; hit; ttl=" + strconv.FormatInt(left, 10)},
	}
	e.stamp.Store(s)
	return s
}

// addStatus adds a member to Cache-Status, after those of caches that are nearer to the handler.
func addStatus(h http.Header, status []string) {
	if before := h["Cache-Status"]; before != nil {
		status = append(before[:len(before):len(before)], status...)
	}
	h["Cache-Status"] = status
}

// notModified reports whether the client has the answer with this header already (RFC 9110 §13.2.2).
func notModified(r *http.Request, h http.Header) bool {
	if asked := r.Header["If-None-Match"]; asked != nil {
		etag := h["Etag"]
		return len(etag) > 0 && matchesTag(asked, strings.TrimPrefix(etag[0], "W/"))
	}
	asked, modified := r.Header["If-Modified-Since"], h["Last-Modified"]
	if asked == nil || modified == nil {
		return false
	}
	since, err := http.ParseTime(asked[0])
	last, err2 := http.ParseTime(modified[0])
	return err == nil && err2 == nil && !last.After(since)
}

// matchesTag reports whether a list of entity tags holds one, by weak comparison. A tag may contain
// commas (RFC 9110 §8.8.3).
func matchesTag(lines []string, tag string) bool {
	for _, line := range lines {
		for rest := strings.Trim(line, " \t,"); rest != ""; rest = strings.TrimLeft(rest, " \t,") {
			if rest[0] == '*' {
				return true
			}
			rest = strings.TrimPrefix(rest, "W/")
			if rest == "" || rest[0] != '"' {
				break
			}
			end := strings.IndexByte(rest[1:], '"')
			if end < 0 {
				break
			}
			if rest[:end+2] == tag {
				return true
			}
			rest = rest[end+2:]
		}
	}
	return false
}

// writeNotModified answers 304, with the fields that may change without the body.
func writeNotModified(w http.ResponseWriter) {
	h := w.Header()
	delete(h, "Content-Type")
	delete(h, "Content-Length")
	delete(h, "Content-Encoding")
	w.WriteHeader(http.StatusNotModified)
}
