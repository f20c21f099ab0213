// Command anyissuer is a service that issues no tokens. It takes those of two issuers: people log
// in at a Keycloak realm, and jobs of GitHub Actions bring a token of GitHub.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/issuers"
)

func main() {
	realm := flag.String("realm", "", "URL of a Keycloak realm, as its tokens have it in iss")
	owner := flag.String("owner", "", "user or organisation of GitHub whose jobs may call")
	audience := flag.String("audience", "orders", "name of this API at both issuers")
	keys := flag.String("keys", "", "folder for the issuers' keys, for a start without them")
	addr := flag.String("addr", "127.0.0.1:8090", "address to listen on")
	flag.Parse()
	if *realm == "" || *owner == "" {
		log.Fatal("-realm and -owner are required")
	}
	people, jobs := issuers.Keycloak(*realm, *audience), issuers.GitHubActions(*owner, *audience)
	if *keys != "" {
		people, jobs = keep(people, *keys, "people.json"), keep(jobs, *keys, "jobs.json")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on http://%s", listener.Addr())
	if err := run(ctx, listener, people, jobs); err != nil {
		log.Fatal(err)
	}
}

// keep returns an issuer whose keys are also kept in a file, so that a start without it has keys.
func keep(t hallpass.TrustedIssuer, folder, name string) hallpass.TrustedIssuer {
	t.Remote.File = filepath.Join(folder, name)
	t.Remote.Failed = func(err error) { log.Print(err) }
	return t
}

// run serves until ctx ends.
func run(ctx context.Context, listener net.Listener, people, jobs hallpass.TrustedIssuer) error {
	verifier, err := hallpass.NewVerifier[struct{}](hallpass.VerifierConfig{
		Issuers: []hallpass.TrustedIssuer{people, jobs},
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /whoami", verifier.Func(whoami))
	mux.Handle("GET /orders", verifier.Func(orders, hallpass.Scope("orders:read")))
	mux.Handle("DELETE /orders/{id}", verifier.Func(remove, hallpass.Role("admin")))
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = s.Close()
	}()
	if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// whoami says who called. A subject means nothing without its issuer, so it says both.
func whoami(w http.ResponseWriter, _ *http.Request, id hallpass.Identity[struct{}]) {
	fmt.Fprintf(w, "%s %s\n", id.Issuer, id.Subject)
}

func orders(w http.ResponseWriter, _ *http.Request, _ hallpass.Identity[struct{}]) {
	fmt.Fprintln(w, "no orders")
}

func remove(w http.ResponseWriter, _ *http.Request, _ hallpass.Identity[struct{}]) {
	w.WriteHeader(http.StatusNoContent)
}
