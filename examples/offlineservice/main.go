// Command offlineservice is a service beside a hallpass server. It verifies access tokens by itself
// with the server's published keys, and follows the server's revocations. Its requests never wait
// for the server.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/jwk"
)

func main() {
	server := flag.String("server", "http://127.0.0.1:8080", "URL of the hallpass server")
	issuer := flag.String("issuer", "", "iss of its tokens; defaults to its URL")
	audience := flag.String("audience", "", "aud of its tokens; defaults to the issuer")
	addr := flag.String("addr", "127.0.0.1:8090", "address to listen on")
	flag.Parse()
	if *issuer == "" {
		*issuer = *server
	}
	if *audience == "" {
		*audience = *issuer
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("listening on http://%s", listener.Addr())
	if err := run(ctx, listener, *server, *issuer, *audience); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, listener net.Listener, server, issuer, audience string) error {
	keys, err := jwk.NewRemote(server+"/.well-known/jwks.json",
		jwk.RemoteConfig{AllowPrivate: true}) // the server is our own
	if err != nil {
		return err
	}
	feed, err := hallpass.NewRevocationFeed(
		hallpass.FeedConfig{
			URL:      server + "/v1/revocations",
			Issuer:   issuer,
			Keys:     keys,
			Interval: 500 * time.Millisecond,
		},
	)
	if err != nil {
		return err
	}
	verifier, err := hallpass.NewVerifier[struct{}](hallpass.VerifierConfig{
		Issuer: issuer, Audience: audience, Keys: keys, Revocations: feed.Revocations(),
	})
	if err != nil {
		return err
	}
	go feed.Run(ctx, func(err error) { log.Print(err) })

	mux := http.NewServeMux()
	mux.Handle("GET /hello", verifier.Func(hello))
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = s.Close()
	}()
	if err := s.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func hello(w http.ResponseWriter, _ *http.Request, id hallpass.Identity[struct{}]) {
	fmt.Fprintf(w, "Hello %s, whose session is %s.\n", id.Subject, id.SessionID)
}
