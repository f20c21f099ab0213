// Command requests measures what authentication adds to a whole HTTP request: the processor time
// that a server spends on one, beside a bare net/http server that gets the same requests in turn,
// with the same token, and writes the same bytes. Each server is a process of its own; the load
// comes from this one.
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

	"golang.org/x/sys/unix"
)

func main() {
	serve := flag.String("serve", "", "be this server (used by the program itself)")
	requests := flag.Int("requests", 1000, "requests of each measurement")
	clients := flag.Int("clients", 8, "connections at a time")
	rounds := flag.Int("rounds", 100, "how often each server is measured, in turn with the bare one")
	only := flag.String("only", "", "measure the servers whose name holds this")
	short := flag.Bool("short", false, "send the bare server requests without a token, which are shorter")
	flag.Parse()
	if *serve != "" {
		fail(beServer(*serve))
		return
	}
	fail(measure(os.Stdout, *only, *requests, *clients, *rounds, *short))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "requests:", err)
		os.Exit(1)
	}
}

// process is a server that runs.
type process struct {
	name, url, token string
	cmd              *exec.Cmd
}

// pair is a server under measurement, and the bare one that it is measured beside. Each has a bare
// one of its own: one that several shared would be in the processor's caches more often.
type pair struct {
	server, bare       *process
	bareToken          string    // that the bare one gets, and does not look at
	micros, bareMicros []float64 // of processor time for a request, a round each
}

func measure(w io.Writer, only string, requests, clients, rounds int, short bool) error {
	dir, err := os.MkdirTemp("", "hallpass-requests-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var pairs []*pair
	for _, s := range subjects {
		if !strings.Contains(s.name, only) {
			continue
		}
		p := &pair{}
		if p.bare, err = start(s.bare, dir); err != nil {
			return fmt.Errorf("%s: %w", s.bare, err)
		}
		defer p.bare.cmd.Process.Kill()
		if p.server, err = start(s.name, dir); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		defer p.server.cmd.Process.Kill()
		if !short {
			p.bareToken = p.server.token
		}
		pairs = append(pairs, p)
	}
	for round := range rounds + 1 {
		for _, p := range pairs {
			if err := p.load(requests, clients, round > 0); err != nil { // the first warms up
				return fmt.Errorf("%s: %w", p.server.name, err)
			}
		}
	}
	return report(w, pairs, requests, rounds)
}

func report(w io.Writer, pairs []*pair, requests, rounds int) error {
	fmt.Fprintf(w, "Processor time of the server for one request: medians of %d rounds of %d requests.\n",
		rounds, requests)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\tµs\tbare, µs\tratio\t")
	for _, p := range pairs {
		// The ratio is taken in each round, since the machine may be slower in the next.
		ratios := make([]float64, rounds)
		for i := range ratios {
			ratios[i] = p.micros[i] / p.bareMicros[i]
		}
		fmt.Fprintf(table, "%s\t%.1f\t%.1f\t%.2f\t\n",
			p.server.name, median(p.micros), median(p.bareMicros), median(ratios))
	}
	return table.Flush()
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
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
		cmd := exec.Command(self, "-serve", name)
		cmd.Dir = dir
		return cmd, err
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
		"--request-limit-user", "1000000000/1m", // counted as by default, but never reached
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

// load measures both servers once.
func (p *pair) load(requests, clients int, counts bool) error {
	bare, err := p.bare.load(p.bareToken, requests, clients)
	if err != nil {
		return err
	}
	micros, err := p.server.load(p.server.token, requests, clients)
	if counts {
		p.micros, p.bareMicros = append(p.micros, micros), append(p.bareMicros, bare)
	}
	return err
}

// load sends the requests and returns the server's processor time for one, in microseconds.
func (p *process) load(token string, requests, clients int) (float64, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	before, err := processorTime(p.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	var group sync.WaitGroup
	failures := make(chan error, clients)
	for range clients {
		group.Go(func() {
			for range requests / clients {
				if err := p.get(client, token); err != nil {
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
	return float64((after - before).Nanoseconds()) / 1e3 / float64(requests/clients*clients), err
}

func (p *process) get(client *http.Client, token string) error {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.url, nil)
	if err != nil {
		return err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
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

// processorTime returns the time that a process has spent in user and kernel mode, by the clock
// that Linux keeps for each (clock_getcpuclockid(3)).
func processorTime(pid int) (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|2, &t); err != nil {
		return 0, fmt.Errorf("this needs Linux: %w", err)
	}
	return time.Duration(t.Nano()), nil
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
