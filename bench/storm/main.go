// Command storm measures how fast a protected GET is answered while log-ins take all the time that
// the server's processor has left, and how many log-ins those are. It does so for hallpass serve
// and for a program that mounts the library. The server has one processor, and this program, which
// sends the requests, another.
//
//	cd bench && go run ./storm        on Linux, with two processors or more, two minutes
//
// GETs come at a constant rate, whether or not those before are answered. Calm and storm are
// measured in turn, and the medians of all rounds are printed.
package main

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

// settings are what the command line says.
type settings struct {
	rate, clients, rounds int
	each                  time.Duration
}

func main() {
	var s settings
	serve := flag.Bool("serve", false, "be the program that mounts the library (used by the program itself)")
	bare := flag.Duration("bare", 0, "hash for so long and print how many a second (used by the program itself)")
	flag.IntVar(&s.rate, "rate", 200, "protected GETs a second")
	flag.IntVar(&s.clients, "clients", 24, "how many log in at a time, each again when it is answered")
	flag.DurationVar(&s.each, "time", 5*time.Second, "how long each measurement takes")
	flag.IntVar(&s.rounds, "rounds", 5, "how often calm and storm are measured; the medians count")
	cooling := flag.Duration("cooling", 0, "at the end, wait this long and print the memory")
	flag.Parse()
	var err error
	switch {
	case *serve:
		err = serveLibrary()
	case *bare > 0:
		err = hashBare(*bare)
	default:
		err = run(s, *cooling)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "storm:", err)
		os.Exit(1)
	}
}

func run(s settings, cooling time.Duration) error {
	dir, err := os.MkdirTemp("", "hallpass-storm-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := pin(os.Getpid(), 1); err != nil {
		return err
	}
	var all []*subject
	for _, start := range []func(string, int) (*subject, error){startServer, startLibrary} {
		p, err := start(dir, s.clients)
		if err != nil {
			return err
		}
		defer p.end()
		all = append(all, p)
	}
	var hashes []float64
	for range s.rounds {
		rate, err := bareHashes(s.each)
		if err != nil {
			return err
		}
		hashes = append(hashes, rate)
		for _, p := range all {
			if err := p.measure(s); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
	}
	print(os.Stdout, s, all, median(hashes))
	if cooling > 0 {
		time.Sleep(cooling)
		for _, p := range all {
			fmt.Printf("%s: %.1f MB before the first storm, %.1f MB %v after the last\n",
				p.name, p.idle, p.memory(), cooling)
		}
	}
	return nil
}

// subject is a server under measurement, and what was measured.
type subject struct {
	name, address, path, token string
	logins                     [][]byte // whole requests, one for each client
	cmd                        *exec.Cmd
	idle                       float64 // MB

	calm, storm quantiles
	rates       []float64 // log-ins a second
}

// quantiles are of one round each, in microseconds.
type quantiles struct{ p50, p99 []float64 }

func (q *quantiles) add(took []time.Duration) {
	slices.Sort(took)
	micros := func(i int) float64 { return float64(took[i].Nanoseconds()) / 1000 }
	q.p50 = append(q.p50, micros(len(took)/2))
	q.p99 = append(q.p99, micros(len(took)*99/100))
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// measure is one round, calm and in a storm.
func (p *subject) measure(s settings) error {
	if p.idle == 0 {
		p.idle = p.memory()
	}
	took, err := p.gets(s)
	if err != nil {
		return err
	}
	p.calm.add(took)

	stop := make(chan struct{})
	var group sync.WaitGroup
	var done, failed atomic.Int64
	for _, login := range p.logins {
		group.Go(func() { p.logIn(login, stop, &done, &failed) })
	}
	time.Sleep(500 * time.Millisecond) // until all have begun
	before, begin := done.Load(), time.Now()
	took, err = p.gets(s)
	p.rates = append(p.rates, float64(done.Load()-before)/time.Since(begin).Seconds())
	close(stop)
	group.Wait()
	if n := failed.Load(); n > 0 {
		return fmt.Errorf("%d log-ins failed", n)
	}
	if err != nil {
		return err
	}
	p.storm.add(took)
	time.Sleep(time.Second) // the governor comes to rest
	return nil
}

// logIn logs in again and again on one connection.
func (p *subject) logIn(login []byte, stop <-chan struct{}, done, failed *atomic.Int64) {
	c, err := dial(p.address)
	if err != nil {
		failed.Add(1)
		return
	}
	defer c.Close()
	for {
		select {
		case <-stop:
			return
		default:
		}
		if err := c.ask(login); err != nil {
			failed.Add(1)
			return
		}
		done.Add(1)
	}
}

// gets sends protected GETs at the rate and returns how long each took.
func (p *subject) gets(s settings) ([]time.Duration, error) {
	const connections = 8
	get := fmt.Appendf(
		nil, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", p.path, p.address, p.token,
	)
	var (
		mu    sync.Mutex
		took  []time.Duration
		first error
		group sync.WaitGroup
	)
	begin := time.Now()
	for i := range connections {
		group.Go(func() {
			own, err := p.getsOfOne(get, begin, time.Second/time.Duration(s.rate), i, connections, s.each)
			mu.Lock()
			defer mu.Unlock()
			took = append(took, own...)
			if first == nil {
				first = err
			}
		})
	}
	group.Wait()
	return took, first
}

// getsOfOne sends every n-th request. One that is sent late because the answer before it was late
// is measured from when it was due.
func (p *subject) getsOfOne(
	get []byte, begin time.Time, interval time.Duration, i, n int, each time.Duration,
) (took []time.Duration, err error) {
	c, err := dial(p.address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for ; time.Duration(i)*interval < each; i += n {
		due := begin.Add(time.Duration(i) * interval)
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
			due = time.Now()
		}
		if err := c.ask(get); err != nil {
			return nil, err
		}
		took = append(took, time.Since(due))
	}
	return took, nil
}

// connection is HTTP on a socket, with as little work for this side as can be.
type connection struct {
	net.Conn
	reader *bufio.Reader
}

func dial(address string) (*connection, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &connection{c, bufio.NewReader(c)}, nil
}

// ask sends a request and reads its answer, which must be a success.
func (c *connection) ask(request []byte) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	answer, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 300 {
		return fmt.Errorf("the answer is %s", answer.Status)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// post is a whole request.
func post(address, path string, body []byte) []byte {
	return bytes.Join([][]byte{
		fmt.Appendf(
			nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
			path, address, len(body),
		),
		body,
	}, nil)
}

func print(w io.Writer, s settings, all []*subject, bare float64) {
	fmt.Fprintf(
		w, "Protected GETs, %d a second, on one processor, in µs; medians of %d rounds of %v.\n"+
			"Bare hashes: %.1f a second.\n",
		s.rate, s.rounds, s.each, bare,
	)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\tp50 calm\tstorm\tratio\tp99 calm\tstorm\tratio\tlog-ins a second\tof bare")
	for _, p := range all {
		fmt.Fprint(table, p.name)
		for _, pair := range [][2]float64{
			{median(p.calm.p50), median(p.storm.p50)}, {median(p.calm.p99), median(p.storm.p99)},
		} {
			fmt.Fprintf(table, "\t%.0f\t%.0f\t%.2f ×", pair[0], pair[1], pair[1]/pair[0])
		}
		fmt.Fprintf(table, "\t%.1f\t%.2f\n", median(p.rates), median(p.rates)/bare)
	}
	_ = table.Flush()
}

// pin binds a process, or what it starts from now on, to a processor.
func pin(pid, processor int) error {
	out, err := exec.Command("taskset", "-acp", fmt.Sprint(processor), fmt.Sprint(pid)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("taskset: %w: %s", err, out)
	}
	return nil
}

// onFirst is a command on processor 0.
func onFirst(program string, args ...string) *exec.Cmd {
	return exec.Command("taskset", append([]string{"-c", "0", program}, args...)...)
}

func bareHashes(each time.Duration) (float64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	out, err := onFirst(self, "-bare", each.String()).Output()
	if err != nil {
		return 0, err
	}
	var rate float64
	_, err = fmt.Sscan(string(out), &rate)
	return rate, err
}

// memory is the server's resident memory in MB (proc(5)), or 0 where that cannot be read.
func (p *subject) memory() float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	var kib float64
	_, _ = fmt.Sscan(after, &kib)
	return kib / 1000 * 1.024
}

func (p *subject) end() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

func buildServer(dir string) (string, error) {
	binary := filepath.Join(dir, "hallpass")
	out, err := exec.Command("go", "build", "-C", "..", "-o", binary, "./cmd/hallpass").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building hallpass: %w: %s", err, out)
	}
	return binary, nil
}
