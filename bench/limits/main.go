// Command limits measures what a limit by client address costs a request, by this library and by
// others, in turn in one run. It prints the median of what each adds to a bare handler, and the ratio
// to this library.
//
//	cd bench && go run ./limits
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/go-chi/httprate"
	ulule "github.com/ulule/limiter/v3"
	ululehttp "github.com/ulule/limiter/v3/drivers/middleware/stdlib"
	ululememory "github.com/ulule/limiter/v3/drivers/store/memory"

	"github.com/hallpass-go/hallpass/ratelimit"
)

// never is a limit that no request of a run meets: all of them are counted and pass.
const never = 1_000_000_000

// subject is a way to put a limit around a handler.
type subject struct {
	name string
	wrap func(http.Handler) http.Handler
}

func subjects() ([]subject, error) {
	ours, err := ratelimit.New(ratelimit.Config{Rules: []ratelimit.Rule{
		{Limit: ratelimit.Limit{Name: "address", Burst: never, Per: time.Minute}, Key: ratelimit.ByAddress},
	}})
	if err != nil {
		return nil, err
	}
	rate := ulule.Rate{Period: time.Minute, Limit: never}
	return []subject{
		{"bare handler", func(h http.Handler) http.Handler { return h }},
		{"hallpass/ratelimit", ours.Middleware},
		{"go-chi/httprate", httprate.LimitBy(never, time.Minute, byAddress)},
		{"ulule/limiter", ululehttp.NewMiddleware(ulule.New(ululememory.NewStore(), rate)).Handler},
	}, nil
}

// byAddress is the key that httprate recommends to those whose clients connect directly.
func byAddress(r *http.Request) (string, error) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	return httprate.CanonicalizeIP(host), err
}

func main() {
	rounds := flag.Int("rounds", 9, "how often each is measured; the median counts")
	benchtime := flag.Duration("time", 200*time.Millisecond, "how long each measurement takes")
	testing.Init()
	flag.Parse()
	if err := flag.Set("test.benchtime", benchtime.String()); err != nil {
		fail(err)
	}
	if err := run(*rounds); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "limits:", err)
	os.Exit(1)
}

func run(rounds int) error {
	fmt.Printf("%s %s/%s, %d processors. Medians of %d, in turn, of what a limit adds to a request.\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), rounds)
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, c := range []struct {
		name      string
		addresses int
		format    string
		parallel  bool
	}{
		{"one address", 1, ipv4, false}, {"one address, in parallel", 1, ipv4, true},
		{"100,000 addresses", 100_000, ipv4, false}, {"100,000 addresses, in parallel", 100_000, ipv4, true},
		{"one IPv6 address", 1, ipv6, false}, {"100,000 IPv6 addresses", 100_000, ipv6, false},
	} {
		all, err := subjects()
		if err != nil {
			return err
		}
		medians, err := measure(all, requests(c.addresses, c.format), c.parallel, rounds)
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "\n%s\tns\tallocations\tratio\n", c.name)
		ours := medians[1].ns - medians[0].ns
		for i, s := range all[1:] {
			m := medians[i+1]
			added := m.ns - medians[0].ns
			fmt.Fprintf(table, "%s\t%.0f\t%d\t%.1f\n", s.name, added, m.allocations, added/ours)
		}
	}
	return table.Flush()
}

// The formats of addresses, from a number in three parts.
const (
	ipv4 = "10.%d.%d.%d:1234"
	ipv6 = "[2001:%x:%x:%x:8a2e:370:7334:1]:1234" // each in a /64 of its own
)

// requests are from that many addresses.
func requests(addresses int, format string) []*http.Request {
	all := make([]*http.Request, addresses)
	for i := range all {
		r, err := http.NewRequest(http.MethodGet, "http://api.example/", nil)
		if err != nil {
			fail(err)
		}
		r.RemoteAddr = fmt.Sprintf(format, i>>16, i>>8&255, i&255)
		all[i] = r
	}
	return all
}

// nothing is a response that costs nothing but its header.
type nothing struct{ header http.Header }

func (n nothing) Header() http.Header       { return n.header }
func (nothing) Write(b []byte) (int, error) { return len(b), nil }
func (nothing) WriteHeader(int)             {}

type result struct {
	ns          float64
	allocations int64
}

func measure(all []subject, requests []*http.Request, parallel bool, rounds int) ([]result, error) {
	times := make([][]float64, len(all))
	medians := make([]result, len(all))
	passed := false
	last := byte(0) // of the address: what the processor fetches for that is not the limit's work
	handlers := make([]http.Handler, len(all))
	for i, s := range all {
		handlers[i] = s.wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed = true }))
		passed = false
		if handlers[i].ServeHTTP(nothing{http.Header{}}, requests[0]); !passed {
			return nil, fmt.Errorf("%s lets nothing pass", s.name)
		}
		handlers[i] = s.wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.RemoteAddr[len(r.RemoteAddr)-1] == last {
				panic("no port ends so")
			}
		}))
	}
	for range rounds {
		for i, h := range handlers {
			r := testing.Benchmark(func(b *testing.B) { serve(b, h, requests, parallel) })
			times[i] = append(times[i], float64(r.T.Nanoseconds())/float64(r.N))
			medians[i].allocations = r.AllocsPerOp()
		}
	}
	for i := range all {
		slices.Sort(times[i])
		medians[i].ns = times[i][rounds/2]
	}
	return medians, nil
}

func serve(b *testing.B, h http.Handler, requests []*http.Request, parallel bool) {
	if !parallel {
		w := nothing{http.Header{}}
		for i := range b.N {
			h.ServeHTTP(w, requests[i%len(requests)])
		}
		return
	}
	var goroutines atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		w := nothing{http.Header{}}
		first := int(goroutines.Add(1)) * len(requests) / 2 // not all at the same address at once
		for i := first; pb.Next(); i++ {
			h.ServeHTTP(w, requests[i%len(requests)])
		}
	})
}
