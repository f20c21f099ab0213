package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass/internal/userfile"
)

// progress shows how far an import is: a bar on a terminal, otherwise a line now and then.
type progress struct {
	w        io.Writer
	terminal bool
	every    time.Duration
	last     time.Time // when it was shown
	shown    bool      // a bar stands on the line
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w, every: 5 * time.Second, last: time.Now()}
	if file, ok := w.(*os.File); ok {
		info, err := file.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	if p.terminal {
		p.every = 100 * time.Millisecond
	}
	return p
}

// show shows the progress, unless it did so shortly before.
func (p *progress) show(report *importReport, rows userfile.Reader) {
	if time.Since(p.last) < p.every {
		return
	}
	p.last = time.Now()
	text := fmt.Sprintf("%d rows, %d refused", report.Rows, report.Refused)
	if done, total := rows.Progress(); total > 0 {
		percent := int(100 * min(done, total) / total)
		if p.terminal {
			const width = 30
			full := percent * width / 100
			text = "[" + strings.Repeat("=", full) + strings.Repeat(" ", width-full) + "] " + text
		}
		text = fmt.Sprintf("%3d %% %s", percent, text)
	}
	if p.terminal {
		fmt.Fprintf(p.w, "\r%s\x1b[K", text)
		p.shown = true
		return
	}
	fmt.Fprintln(p.w, text)
}

// end takes the bar away, so that something else can be printed.
func (p *progress) end() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
