// Command bench does the same work by this library and by others, one after the other in one run,
// next to the bare cryptography, and prints medians and ratios. It is a module of its own, so that
// the others never enter the library's.
//
//	cd bench && go run .                 all of it, some minutes
//	cd bench && go run . -only HS256     one algorithm
//	cd bench && go run . -only HS256 -beside golang-jwt     beside one of the others
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// The algorithms, one of each family.
var algorithms = []string{"HS256", "RS256", "PS256", "ES256", "EdDSA"}

// subject is a library, or the bare cryptography.
type subject interface {
	name() string
	// work returns what the library does with an algorithm's keys.
	work(alg string, k keys) (work, error)
}

// work is a library made ready, as a server would have it.
type work struct {
	sign   func(payload) (string, error)
	verify func(token string) error // signature, exp, nbf, iss, aud, and all ten claims in a struct

	// The same with the application's own claims beside the ten; nil for a library that is not
	// measured so.
	signOwn   func(payload, own) (string, error)
	verifyOwn func(token string) (own, error)
	// remembered is verify by a verifier that has seen the token before; nil for one that remembers
	// none.
	remembered func(token string) error
}

// limitName is the bare cryptography over the same bytes, with which the ratios are made.
const limitName = "bare cryptography"

func main() {
	only := flag.String("only", "", "one algorithm")
	beside := flag.String("beside", "", "measure beside the library of this name alone")
	rounds := flag.Int("rounds", 5, "how often each is measured; the median counts")
	benchtime := flag.Duration("time", 200*time.Millisecond, "how long each measurement takes")
	least := flag.Bool("least", false, "print the least of each instead of the median, on a busy machine")
	cpus := flag.String("cpu", "1,2", "GOMAXPROCS of the runs")
	testing.Init()
	flag.Parse()
	if err := flag.Set("test.benchtime", benchtime.String()); err != nil {
		fail(err)
	}
	if err := run(os.Stdout, *only, *beside, *cpus, *rounds, *least); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

func run(w io.Writer, only, beside, cpus string, rounds int, least bool) error {
	middle, word := median, "Medians"
	if least {
		middle, word = slices.Min[[]float64], "The least"
	}
	fmt.Fprintf(w, "%s %s/%s, %d processors. A token of %d claims. %s of %d, in turn.\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), claimCount, word, rounds)
	for _, alg := range algorithms {
		if only != "" && only != alg {
			continue
		}
		subjects, err := prepare(alg, beside)
		if err != nil {
			return err
		}
		for _, op := range operations {
			if err := measure(w, alg, op, subjects, cpus, rounds, middle); err != nil {
				return err
			}
		}
	}
	return nil
}

// ready is a subject that has been tried: it takes its own token and refuses what it must.
type ready struct {
	name string
	work
	token, tampered, expired, none string
	own                            [len(ownClaims)]string // tokens with own claims
}

// operation is one thing to measure. It returns nil where a subject has nothing to show.
type operation struct {
	name string
	of   func(r *ready) func() error
}

var operations = []operation{
	{"sign", func(r *ready) func() error {
		p := usual(time.Now())
		return func() error { _, err := r.sign(p); return err }
	}},
	{"verify", func(r *ready) func() error { return func() error { return r.verify(r.token) } }},
	{"verify again", func(r *ready) func() error {
		if r.remembered == nil {
			return nil
		}
		return func() error { return r.remembered(r.token) }
	}},
	{"sign with own claims", func(r *ready) func() error {
		if r.signOwn == nil {
			return nil
		}
		p := usual(time.Now())
		return func() error { _, err := r.signOwn(p, ownClaims[0]); return err }
	}},
	{"verify with own claims", verifyingOwn(0)},
	{"verify with a list of 1 KB", verifyingOwn(1)},
	{"verify with a list of 4 KB", verifyingOwn(2)},
	{"refuse tampered", refusing(func(r *ready) string { return r.tampered })},
	{"refuse expired", refusing(func(r *ready) string { return r.expired })},
	{"refuse alg none", refusing(func(r *ready) string { return r.none })},
}

func verifyingOwn(number int) func(*ready) func() error {
	return func(r *ready) func() error {
		if r.verifyOwn == nil {
			return nil
		}
		token := r.own[number]
		return func() error { _, err := r.verifyOwn(token); return err }
	}
}

func refusing(token func(*ready) string) func(*ready) func() error {
	return func(r *ready) func() error {
		t := token(r)
		if t == "" {
			return nil
		}
		return func() error {
			if r.verify(t) == nil {
				return fmt.Errorf("%s took a token that it must refuse", r.name)
			}
			return nil
		}
	}
}

// row is what was measured of one subject with one number of processors.
type row struct {
	ns     []float64
	allocs int64
	bytes  int64
}

func measure(
	w io.Writer, alg string, op operation, subjects []*ready, cpus string, rounds int,
	middle func([]float64) float64,
) error {
	counts := strings.Split(cpus, ",")
	rows := map[string]*row{}
	for range rounds {
		for _, r := range subjects {
			do := op.of(r)
			if do == nil {
				continue
			}
			for _, cpu := range counts {
				result, err := benchmark(do, cpu)
				if err != nil {
					return err
				}
				id := r.name + " " + cpu
				if rows[id] == nil {
					rows[id] = &row{}
				}
				rows[id].ns = append(rows[id].ns, float64(result.T.Nanoseconds())/float64(result.N))
				rows[id].allocs, rows[id].bytes = result.AllocsPerOp(), result.AllocedBytesPerOp()
			}
		}
	}
	fmt.Fprintf(w, "\n%s %s\n", alg, op.name)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	head := "\t"
	for _, cpu := range counts {
		head += fmt.Sprintf("%s cpu, ns\tratio\t", cpu)
	}
	fmt.Fprintln(table, head+"allocs\tbytes\t")
	for _, r := range subjects {
		if rows[r.name+" "+counts[0]] == nil {
			continue
		}
		line := r.name + "\t"
		for _, cpu := range counts {
			reference := subjects[0].name
			if rows[reference+" "+cpu] == nil {
				reference = ours{}.name()
			}
			ns := middle(rows[r.name+" "+cpu].ns)
			line += fmt.Sprintf("%.0f\t%.2f\t", ns, ns/middle(rows[reference+" "+cpu].ns))
		}
		first := rows[r.name+" "+counts[0]]
		fmt.Fprintf(table, "%s%d\t%d\t\n", line, first.allocs, first.bytes)
	}
	return table.Flush()
}

// benchmark runs do on so many processors at once and returns its cost in time that passes.
func benchmark(do func() error, cpu string) (testing.BenchmarkResult, error) {
	var n int
	if _, err := fmt.Sscan(cpu, &n); err != nil || n < 1 {
		return testing.BenchmarkResult{}, fmt.Errorf("-cpu: %q is no number of processors", cpu)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
	var failed error
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := do(); err != nil {
					failed = err
					return
				}
			}
		})
	})
	return result, failed
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
