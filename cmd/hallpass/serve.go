package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/hallpass-go/hallpass"
	"github.com/hallpass-go/hallpass/internal/server"
	"github.com/hallpass-go/hallpass/internal/tracing"
	"github.com/hallpass-go/hallpass/internal/users"
	"github.com/hallpass-go/hallpass/jwk"
	"github.com/hallpass-go/hallpass/password"
)

type serveCommand struct{ serveSettings }

// serveSettings are all settings of a server.
type serveSettings struct {
	tokenSettings
	Addr  string `default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"${addr} Default: ${default}."`
	Redis string `placeholder:"URL" help:"Redis or Valkey. Not supported yet."`

	Signup            bool          `default:"true" negatable:"" help:"${signup}"`
	PasswordMinLength int           `default:"15" placeholder:"N" help:"${password_min} Default: ${default}."`
	AccessTTL         time.Duration `name:"access-ttl" default:"15m" help:"Access token lifetime. Default: ${default}."`
	SessionIdle       time.Duration `default:"720h" help:"${session_idle} Default: ${default}, 30 days."`
	SessionMax        time.Duration `default:"2160h" help:"${session_max} Default: ${default}, 90 days."`
	MaxSessions       int           `default:"100" placeholder:"N" help:"${max_sessions} Default: ${default}."`
	RefreshGrace      time.Duration `default:"30s" help:"${refresh_grace} Default: ${default}."`
	SigningAlgorithm  string        `default:"ES256" placeholder:"ALG" help:"${signing_algorithm} Default: ${default}."`

	KeyRotation time.Duration `default:"0s" help:"${key_rotation} Default: ${default}."`

	MaxConnections int `default:"10000" placeholder:"N" help:"${max_connections} Default: ${default}."`

	limitSettings

	TLSCert string `placeholder:"FILE" help:"Certificate chain in PEM format. It is read again when it changes."`
	TLSKey  string `placeholder:"FILE" help:"Private key of the certificate in PEM format."`
	acmeSettings
	BehindProxy  []string `placeholder:"CIDR" help:"${behind_proxy}"`
	InsecureHTTP bool     `help:"${insecure_http}"`

	browserSettings

	MetricsAddr string `placeholder:"HOST:PORT" help:"${metrics_addr}"`

	UserCache time.Duration `default:"500ms" help:"${user_cache} Default: ${default}."`

	AuditRetention time.Duration `default:"2160h" help:"${audit_retention} Default: ${default}, 90 days."`

	DrainDelay time.Duration `default:"0s" help:"${drain_delay} Default: ${default}."`

	LogFormat string `default:"text" enum:"text,json" help:"text or json. Default: ${default}."`
	LogLevel  string `default:"info" enum:"debug,info,warn,error" help:"${log_level} Default: ${default}."`
}

// Help implements kong's HelpProvider.
func (serveCommand) Help() string {
	return `Every setting has a safe default. Without flags the server listens on loopback and uses
SQLite in ./hallpass-data.

To make it reachable by others, give it a certificate, or the name for which it gets one by itself:
  hallpass serve --addr :443 --issuer https://auth.example --tls-cert cert.pem --tls-key key.pem
  hallpass serve --addr :443 --issuer https://auth.example --acme-domain auth.example
or put a proxy that terminates TLS in front of it:
  hallpass serve --addr 10.0.0.5:8080 --issuer https://auth.example --behind-proxy 10.0.0.0/24

Passwords are hashed on all cores at low priority. Meanwhile GOMAXPROCS is raised, so that other
requests need not wait. If GOMAXPROCS is set in the environment, it is left alone, and one core less
is used for passwords. Garbage is then collected more rarely, unless GOGC is set.

Traces of requests go to the OpenTelemetry collector that OTEL_EXPORTER_OTLP_ENDPOINT names:
docs/metrics.md.

SIGTERM or SIGINT stops it. First /readyz answers 503 for --drain-delay, so that a load balancer
sends no more requests. Then it accepts no new connections, finishes the requests in progress within
10 seconds, and exits. A second signal ends it at once.`
}

// Run runs the server, from its settings to its last request.
func (c *serveCommand) Run(ctx context.Context, all *commands, std streams, stopSignals context.CancelFunc) error {
	limits, proxies, err := c.validate()
	if err != nil {
		return err
	}
	log := c.logger(std)
	slog.SetDefault(log) // opening may log corrected file modes
	listener, err := c.listen(all.Data, proxies, log)
	if err != nil {
		return err
	}
	defer listener.Close()
	issuerGiven := c.Issuer != ""
	c.Issuer = c.issuer(listener.Addr().String())
	events := server.LogEvents(log)
	in, err := all.open(ctx, openOptions{
		algorithm: jwk.Algorithm(c.SigningAlgorithm), rotation: c.KeyRotation,
		policy: password.Policy{MinLength: c.PasswordMinLength}, observe: events,
	})
	if err != nil {
		return err
	}
	defer in.Close()
	if err := in.signsForOthers(ctx); err != nil {
		return err
	}
	meter, stopMetrics, err := c.metrics(in, log)
	if err != nil {
		return err
	}
	defer stopMetrics()
	tracer, err := tracing.Start(ctx, log)
	if err != nil {
		return err
	}
	defer stopTracing(tracer, log)
	restored := all.restoreCheck(in.store)
	if err := restored.check(ctx); err != nil {
		return err
	}
	api, err := server.New(ctx, server.Config{
		Issuer: c.Issuer, Audience: c.audience(), Keys: in.keys, Store: in.store, Accounts: in.accounts,
		Clients: in.clients, Ping: in.db.Ping, ClosedSignup: !c.Signup,
		AccessTTL: c.AccessTTL, IdleTTL: c.SessionIdle, SessionTTL: c.SessionMax,
		RefreshGrace: c.RefreshGrace, MaxSessions: c.MaxSessions, UserCache: c.UserCache,
		Origins: c.CORSOrigin, BrowserCookies: c.BrowserCookies, SecurityContact: c.SecurityContact,
		Limits: limits, TrustedProxies: proxies, Audit: in.audit, AuditRetention: c.AuditRetention, Log: log,
		Observe: events, Metrics: meter, Trace: traceBy(tracer), ShowMetrics: c.MetricsAddr == "" && len(proxies) == 0,
	})
	if err != nil {
		return err
	}
	// What the server does by itself has no actor.
	background, stopBackground := context.WithCancel(hallpass.WithActor(context.WithoutCancel(ctx), ""))
	var work sync.WaitGroup
	work.Go(func() { api.Run(background) })
	work.Go(func() { restored.follow(background, log) })
	defer work.Wait()
	defer stopBackground()

	if listener.acme != nil {
		stopPlain, err := c.serveACME(background, listener.acme, log)
		if err != nil {
			return err
		}
		defer stopPlain()
	}
	c.warn(log, issuerGiven)
	all.remember(c.tokenSettings, log)
	defer runtime.KeepAlive(make([]byte, ballast))
	httpServer := api.HTTPServer()
	httpServer.ConnState = listener.bounds.ConnState
	served := make(chan error, 1)
	go func() { served <- httpServer.Serve(api.Listener(listener)) }()
	log.Info("ready", "url", c.scheme()+"://"+listener.Addr().String(), "data", all.Data, "issuer", c.Issuer)
	if admins, err := in.hasAdmin(ctx); err == nil && !admins {
		log.Info("there is no administrator yet; make one with: hallpass user add NAME --role " +
			"admin --password-stdin --data " + all.Data)
	}

	select {
	case err := <-served:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	stopSignals() // a second signal ends the program
	return c.stop(log, api, httpServer)
}

// ballast is how many bytes of the heap are never touched, so that they take no memory. Go collects
// garbage when the heap has doubled. The server's own is so small that it would do so dozens of
// times a second under load.
const ballast = 4 << 20

// maxUserCache is how much later the server may show what another process has changed.
const maxUserCache = time.Second

// stopTimeout is how long requests in progress may take to finish.
const stopTimeout = 10 * time.Second

func (c *serveCommand) stop(log *slog.Logger, api *server.Server, httpServer *http.Server) error {
	log.Info("stopping: requests under way are finished")
	api.Drain()
	time.Sleep(c.DrainDelay)
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := httpServer.Shutdown(ctx); err != nil {
		return fmt.Errorf("stopping: some requests took longer than %s and were cut off: %w", stopTimeout, err)
	}
	log.Info("stopped")
	return nil
}

// validate reports all wrong settings at once.
func (c *serveCommand) validate() (limits users.Limits, proxies []netip.Prefix, err error) {
	var mistakes []error
	if c.Issuer != "" {
		mistakes = c.tokenSettings.mistakes()
	}
	refuse := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{
		{"access-ttl", c.AccessTTL}, {"session-idle", c.SessionIdle},
		{"session-max", c.SessionMax}, {"refresh-grace", c.RefreshGrace}, {"audit-retention", c.AuditRetention},
	} {
		if d.value <= 0 {
			refuse("--%s: %v is no time to live", d.flag, d.value)
		}
	}
	if c.AccessTTL > maxAccessTTL {
		refuse("--access-ttl: %v is more than the %v that a verifier takes", c.AccessTTL, maxAccessTTL)
	}
	if c.UserCache < 0 || c.UserCache > maxUserCache {
		refuse("--user-cache: give up to %v, so that what others change is seen in time, or 0s for none", maxUserCache)
	}
	if c.DrainDelay < 0 {
		refuse("--drain-delay is negative")
	}
	if c.KeyRotation != 0 && c.KeyRotation < time.Hour {
		refuse("--key-rotation is under an hour: a rotation takes minutes, and its keys are published for a day")
	}
	limits, wrong := c.limits()
	mistakes = slices.Concat(mistakes, wrong, c.browserSettings.mistakes())
	for _, text := range c.BehindProxy {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			refuse("--behind-proxy: %q is not a network like 10.0.0.0/24", text)
		}
		proxies = append(proxies, prefix)
	}
	if c.Redis != "" {
		refuse("--redis is not supported yet")
	}
	if err := checkAlgorithm("--signing-algorithm", c.SigningAlgorithm); err != nil {
		mistakes = append(mistakes, err)
	}
	if c.MaxConnections < 1 {
		refuse("--max-connections: %d leaves nobody a connection", c.MaxConnections)
	}
	if c.MaxSessions < 0 {
		refuse("--max-sessions is negative")
	}
	if c.PasswordMinLength < 8 {
		refuse("--password-min-length is under 8")
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		refuse("--tls-cert and --tls-key go together")
	}
	if c.TLSCert != "" && len(c.ACMEDomain) > 0 {
		refuse("--tls-cert and --acme-domain exclude each other: either you have a certificate, or the server gets one")
	}
	if len(c.ACMEDomain) == 0 && c.ACMEEmail+c.ACMEDirectory+c.ACMEHTTP != "" {
		refuse("--acme-email, --acme-directory and --acme-http go with --acme-domain")
	}
	if _, _, err := net.SplitHostPort(c.MetricsAddr); c.MetricsAddr != "" && err != nil {
		refuse("--metrics-addr: %q is not HOST:PORT", c.MetricsAddr)
	}
	host, _, err := net.SplitHostPort(c.Addr)
	if err != nil {
		refuse("--addr: %q is not HOST:PORT", c.Addr)
	} else if c.scheme() == "http" && !isLoopback(host) && len(proxies) == 0 && !c.InsecureHTTP {
		refuse("%s can be reached by others, and plain HTTP would show them passwords and "+
			"tokens: give --tls-cert and --tls-key, or --acme-domain, "+
			"name the proxy that speaks TLS with --behind-proxy, or accept it with --insecure-http", c.Addr)
	}
	if err == nil && !isLoopback(host) && c.Issuer == "" {
		refuse("--issuer: others reach %s by a name that it cannot know: give the public URL, "+
			"like https://auth.example", c.Addr)
	}
	if mistakes != nil {
		return limits, proxies, usageError{errors.Join(mistakes...)}
	}
	return limits, proxies, nil
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}

func (c *serveCommand) warn(log *slog.Logger, issuerGiven bool) {
	if !issuerGiven && len(c.BehindProxy) > 0 {
		log.Warn("clients of the proxy know this server by another URL than its tokens name; set "+
			"--issuer to it", "issuer", c.Issuer)
	}
	if c.InsecureHTTP {
		log.Warn("--insecure-http: passwords and tokens can be read on the way")
	}
}

func (c *serveCommand) logger(std streams) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // kong has checked the value
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(std.err, options))
	}
	return slog.New(slog.NewTextHandler(std.err, options))
}
