// Command refresh measures how many refreshes of a token a server answers in a second, and how much
// processor time it takes for one, at equal durability. Every server keeps its data in SQLite
// through the same driver, and is a process of its own; the load comes from this one. Each client
// sends the token that it got last.
//
//	cd bench && go run ./refresh
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

const most = 64 // clients

func main() {
	serve := flag.String("serve", "", "be this server (used by the program itself)")
	sync := flag.String("sync", "", "the server's PRAGMA synchronous (used by the program itself)")
	only := flag.String("only", "", "measure the servers whose name holds this")
	rounds := flag.Int("rounds", 5, "how often each server is measured; the median counts")
	length := flag.Duration("time", time.Second, "how long each measurement takes")
	flag.Parse()
	var err error
	if *serve != "" {
		err = beServer(*serve, *sync)
	} else {
		err = measure(os.Stdout, *only, *rounds, *length)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "refresh:", err)
		os.Exit(1)
	}
}

// process is a server under measurement.
type process struct {
	name   string
	wire   wire
	url    string
	cmd    *exec.Cmd
	tokens []string // one a client

	perSecond, micros []float64 // refreshes a second, and processor time of one; a round each
}

func measure(w io.Writer, only string, rounds int, length time.Duration) error {
	dir, err := os.MkdirTemp("", "hallpass-refresh-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintf(w, "Medians of %d rounds of %v, in turn.\n", rounds, length)
	for _, sync := range []string{"FULL", "NORMAL"} {
		var all []*process
		for _, name := range names(sync) {
			if !strings.Contains(name, only) {
				continue
			}
			p, err := start(name, sync, filepath.Join(dir, sync+strconv.Itoa(len(all))))
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			defer p.cmd.Process.Kill()
			all = append(all, p)
		}
		for _, clients := range []int{1, most} {
			if err := compare(w, all, sync, clients, rounds, length); err != nil {
				return err
			}
		}
		for _, p := range all {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	}
	return nil
}

func compare(w io.Writer, all []*process, sync string, clients, rounds int, length time.Duration) error {
	for _, p := range all {
		p.perSecond, p.micros = nil, nil
	}
	for round := range rounds + 1 {
		for _, p := range all {
			perSecond, micros, err := p.load(clients, length)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if round > 0 { // the first warms up
				p.perSecond, p.micros = append(p.perSecond, perSecond), append(p.micros, micros)
			}
		}
	}
	fmt.Fprintf(w, "\nsynchronous=%s, %d at a time\n", sync, clients)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "refreshes/s\t×\tprocessor µs\t×\t\t")
	for _, p := range all {
		perSecond, micros := median(p.perSecond), median(p.micros)
		fmt.Fprintf(table, "%.0f\t%.2f\t%.0f\t%.2f\t  %s\t\n", perSecond, perSecond/median(all[0].perSecond),
			micros, micros/median(all[0].micros), p.name)
	}
	return table.Flush()
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// start starts a server and reads from its output where it listens, and a token for each client.
func start(name, sync, dir string) (*process, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	if name == serverName {
		return startServer(dir)
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{name: name, wire: wireOf(name), cmd: exec.Command(self, "-serve", name, "-sync", sync)}
	p.cmd.Dir, p.cmd.Stderr = dir, os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "http://"):
			p.url = line
		case p.url != "": // before it, PocketBase warns about the version of the driver
			p.tokens = append(p.tokens, line)
		}
		if len(p.tokens) == most {
			return p, nil
		}
	}
	return nil, errors.Join(errors.New("it did not start"), lines.Err())
}

// load refreshes for the given time. It returns how many refreshes were answered in a second, and
// the server's processor time for one, in microseconds.
func (p *process) load(clients int, length time.Duration) (perSecond, micros float64, err error) {
	before, err := processorTime(p.cmd.Process.Pid)
	if err != nil {
		return 0, 0, err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	var group sync.WaitGroup
	counts, failures := make([]int, clients), make([]error, clients)
	begun := time.Now()
	for i := range clients {
		group.Go(func() {
			for time.Since(begun) < length && failures[i] == nil {
				p.tokens[i], failures[i] = p.wire.refresh(client, p.url, p.tokens[i])
				counts[i]++
			}
		})
	}
	group.Wait()
	took := time.Since(begun)
	after, err := processorTime(p.cmd.Process.Pid)
	n := 0
	for _, count := range counts {
		n += count
	}
	return float64(n) / took.Seconds(), float64((after - before).Microseconds()) / float64(n),
		errors.Join(append(failures, err)...)
}

// processorTime returns the time that a process has spent in user and kernel mode (proc(5)).
func processorTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("this needs Linux: %w", err)
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every architecture that Go runs on
	var ticks int
	for _, field := range fields[11:13] { // utime, stime
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}
