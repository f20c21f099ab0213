// Command check runs the cases of an original system against a server, which is the original or its
// replacement:
//
//	go run ./compat/contract/check -system gettoken -url http://127.0.0.1:5000 -var email=a@example.com
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/hallpass-go/hallpass/compat/contract"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	passed, err := run(ctx, os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(2)
	}
	if !passed {
		os.Exit(1)
	}
}

// run reports whether all cases that could run have passed.
func run(ctx context.Context, args []string, out io.Writer) (bool, error) {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	flags.SetOutput(out)
	name := flags.String("system", "", "the system whose cases to run: "+strings.Join(contract.Systems(), ", "))
	secretFile := flags.String("secret-file", "",
		"a file with the server's HS256 secret, for the cases that make tokens")
	o := contract.Options{Variables: map[string]string{}}
	flags.StringVar(&o.URL, "url", "http://127.0.0.1:5000", "the server")
	flags.BoolVar(&o.Original, "original", false,
		"the server is the first system itself: want what it answers where that is unsafe")
	flags.Func("var", "`name=value` of a variable that the cases need; may be repeated", func(text string) error {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return errors.New("want name=value")
		}
		o.Variables[name] = value
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return false, err
	}
	o.URL = strings.TrimSuffix(o.URL, "/")
	system, err := contract.Load(*name)
	if err != nil {
		return false, err
	}
	if *secretFile != "" {
		if err := o.ReadSecret(*secretFile); err != nil {
			return false, err
		}
	}
	results, err := system.Run(ctx, o)
	if err != nil {
		return false, err
	}
	return report(out, results), nil
}

func report(out io.Writer, results []contract.Result) bool {
	var passed, failed, skipped int
	for _, r := range results {
		switch {
		case r.Err == nil:
			passed++
			fmt.Fprintf(out, "ok    %s\n", r.Case.Name)
		case errors.Is(r.Err, contract.ErrNoKey):
			skipped++
			fmt.Fprintf(out, "skip  %s: no -secret-file\n", r.Case.Name)
		default:
			failed++
			fmt.Fprintf(out, "FAIL  %s (%s): %v\n", r.Case.Name, r.Case.Seed, r.Err)
		}
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d not run\n", passed, failed, skipped)
	return failed == 0
}
