// Command posts is an API beside a hallpass server: posts that everybody with a token can read, and
// that their authors and administrators can change. Answers are kept until a post changes, and
// requests are limited by user.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "modernc.org/sqlite"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/httpcache"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/ratelimit"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("posts", flag.ExitOnError)
	server := flags.String("server", "http://127.0.0.1:8080", "URL of the hallpass server")
	issuer := flags.String("issuer", "", "iss of its tokens; defaults to its URL")
	audience := flags.String("audience", "", "aud of its tokens; defaults to the issuer")
	addr := flags.String("addr", "127.0.0.1:8090", "address to listen on")
	file := flags.String("db", "posts.db", "SQLite database")
	if err := flags.Parse(args); err != nil {
		return err
	}
	*issuer = cmp.Or(*issuer, *server)
	*audience = cmp.Or(*audience, *issuer)
	verifier, err := verifierOf(ctx, *server, *issuer, *audience, out)
	if err != nil {
		return err
	}
	posts, err := openPosts(ctx, *file)
	if err != nil {
		return err
	}
	defer posts.Close()
	cache, err := httpcache.New(httpcache.Config{Identity: hallpass.ByGrant[struct{}], TTL: time.Minute})
	if err != nil {
		return err
	}
	limits, err := ratelimit.New(ratelimit.Config{})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "listening on http://%s\n", listener.Addr())
	api := &api{verifier, posts, cache, limits}
	httpServer := &http.Server{Handler: api.routes(), ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = httpServer.Close() })
	if err := httpServer.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// verifierOf verifies the tokens of the server with its keys, and follows its revocations.
func verifierOf(
	ctx context.Context, server, issuer, audience string, out io.Writer,
) (*hallpass.Verifier[struct{}], error) {
	keys, err := jwk.NewRemote(server+"/.well-known/jwks.json", jwk.RemoteConfig{AllowPrivate: true})
	if err != nil {
		return nil, err
	}
	feed, err := hallpass.NewRevocationFeed(hallpass.FeedConfig{
		URL: server + "/v1/revocations", Issuer: issuer, Keys: keys, Interval: 500 * time.Millisecond,
	})
	if err != nil {
		return nil, err
	}
	go feed.Run(ctx, func(err error) { fmt.Fprintln(out, err) })
	return hallpass.NewVerifier[struct{}](hallpass.VerifierConfig{
		Issuer: issuer, Audience: audience, Keys: keys, Revocations: feed.Revocations(),
	})
}
