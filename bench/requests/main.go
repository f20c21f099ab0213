// Command requests measures what authentication adds to a whole HTTP request: the processor time
// that a server spends on one, beside a bare net/http handler that writes the same bytes. Each
// server is a process of its own; the load comes from this one.
//
//	cd bench && go run ./requests
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
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

func main() {
	serve := flag.String("serve", "", "be this server (used by the program itself)")
	requests := flag.Int("requests", 20_000, "requests of each measurement")
	clients := flag.Int("clients", 8, "connections at a time")
	rounds := flag.Int("rounds", 5, "how often each server is measured; the median counts")
	only := flag.String("only", "", "measure the servers whose name holds this, and the bare one")
	flag.Parse()
	if *serve != "" {
		fail(beServer(*serve))
		return
	}
	fail(measure(os.Stdout, *only, *requests, *clients, *rounds))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "requests:", err)
		os.Exit(1)
	}
}

// process is a server under measurement.
type process struct {
	name, url, token string
	cmd              *exec.Cmd
	micros           []float64 // of processor time a request, a round each
}

func measure(w io.Writer, only string, requests, clients, rounds int) error {
	dir, err := os.MkdirTemp("", "hallpass-requests-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var all []*process
	for _, name := range names() {
		if name != bareName && !strings.Contains(name, only) {
			continue
		}
		p, err := start(name, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		defer p.cmd.Process.Kill()
		all = append(all, p)
	}
	for round := range rounds + 1 {
		for _, p := range all {
			cost, err := p.load(requests, clients)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if round > 0 { // the first warms up
				p.micros = append(p.micros, cost)
			}
		}
	}
	fmt.Fprintf(w,
		"Processor time of the server for one request, medians of %d rounds of %d requests.\n",
		rounds, requests)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	bare := all[0].median()
	for _, p := range all {
		fmt.Fprintf(table, "%s\t%.1f µs\t%.2f ×\n", p.name, p.median(), p.median()/bare)
	}
	return table.Flush()
}

func (p *process) median() float64 {
	sorted := slices.Sorted(slices.Values(p.micros))
	return sorted[len(sorted)/2]
}

// start runs a server and waits for the line that says where it listens and which token it takes.
func start(name, dir string) (*process, error) {
	cmd, err := command(name, dir)
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{name: name, cmd: cmd}
	if strings.HasPrefix(name, serverName) {
		return p, p.logIn(dir)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("it did not start: %w", err)
	}
	p.url, p.token, _ = strings.Cut(strings.TrimSpace(line), " ")
	return p, nil
}

func command(name, dir string) (*exec.Cmd, error) {
	if !strings.HasPrefix(name, serverName) {
		self, err := os.Executable()
		return exec.Command(self, "-serve", name), err
	}
	binary := filepath.Join(dir, "hallpass")
	build := exec.Command("go", "build", "-C", "..", "-o", binary, "./cmd/hallpass")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	args := []string{
		"serve",
		"--addr",
		serverAddress(name),
		"--data",
		filepath.Join(dir, "data", strconv.Itoa(len(name))),
	}
	if strings.Contains(name, "without") {
		args = append(args, "--log-level", "error")
	}
	cmd := exec.Command(binary, args...)
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	cmd.Stderr = log
	return cmd, err
}

// load sends the requests and returns the server's processor time for one, in microseconds.
func (p *process) load(requests, clients int) (float64, error) {
	before, err := processorTime(p.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	var group sync.WaitGroup
	failures := make(chan error, clients)
	for range clients {
		group.Go(func() {
			for range requests / clients {
				if err := p.get(client); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	group.Wait()
	select {
	case err := <-failures:
		return 0, err
	default:
	}
	after, err := processorTime(p.cmd.Process.Pid)
	return float64((after - before).Microseconds()) / float64(requests/clients*clients), err
}

func (p *process) get(client *http.Client) error {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+p.token)
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		return fmt.Errorf("it answered %s", answer.Status)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
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

// listen serves a handler on a free port and says where, and with which token.
func listen(h http.Handler, token string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s/me %s\n", l.Addr(), token)
	return http.Serve(l, h)
}
