// Command hallpass is a JWT-authenticated API server and the tool that administers it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/hallpass-go/hallpass"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver for postgres: databases
	_ "modernc.org/sqlite"             // the driver for sqlite: databases
)

// commands is the command line. Each command is a field, and its flags are fields of the field's
// type.
type commands struct {
	Data       string          `default:"./hallpass-data" placeholder:"DIR" help:"${data}"`
	DB         string          `name:"db" placeholder:"URL" help:"${db}"`
	SecretFile string          `placeholder:"FILE" help:"${secret_file}"`
	Settings   kong.ConfigFlag `name:"config" placeholder:"FILE" help:"${settings}"`

	Verbose bool `help:"Log changes of users, sessions and keys, and who made them, to standard error."`

	Serve   serveCommand   `cmd:"" help:"Run the API server."`
	User    userCommand    `cmd:"" help:"Administer users."`
	Session sessionCommand `cmd:"" help:"List and end sessions."`
	Client  clientCommand  `cmd:"" help:"Administer machine clients and their secrets."`
	Key     keyCommand     `cmd:"" help:"List, rotate and revoke signing keys."`
	Token   tokenCommand   `cmd:"" help:"Explain, verify and create tokens."`
	Audit   auditCommand   `cmd:"" help:"Show what happened to users, sessions and keys, and who did it."`
	Config  configCommand  `cmd:"" help:"Print the settings that a server would use."`
	Tour    tourCommand    `cmd:"" help:"Walk through a running server as a new user and show each exchange."`
	Version versionCommand `cmd:"" help:"Print the version."`

	errors io.Writer // where --verbose logs
}

const description = `JWT authentication for HTTP APIs.

Start a server and create the first administrator:

  hallpass serve
  hallpass user add alice --role admin --password-stdin < password.txt

Every setting can also be set in the environment, as HALLPASS_ followed by its name (HALLPASS_ADDR), or
in the --config file. Flags override the environment, and the environment overrides the file.
Secrets are never flags; they come from files.`

// commandLine is the actor of what the commands do.
const commandLine = "command line"

// Exit codes.
const (
	exitFailed = 1 // the request failed
	exitUsage  = 2 // the command line or the settings are wrong
)

// usageError is a mistake in how the command was used.
type usageError struct{ error }

// streams are the standard streams of a command.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, stop, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// run runs one command and returns its exit code. It calls stop to stop catching signals, so that a
// second one ends the program at once.
func run(ctx context.Context, stop context.CancelFunc, args []string, std streams) (code int) {
	c := commands{errors: std.err}
	type exited int
	defer func() { // kong exits after --help
		if p := recover(); p != nil {
			status, ok := p.(exited)
			if !ok {
				panic(p)
			}
			code = int(status)
		}
	}()
	parser, err := kong.New(
		&c,
		kong.Name("hallpass"),
		kong.Description(description),
		kong.DefaultEnvars("HALLPASS"),
		kong.Configuration(readSettings),
		helpTexts,
		kong.Writers(std.out, std.err),
		kong.Exit(func(status int) { panic(exited(status)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
	)
	if err != nil {
		fmt.Fprintln(std.err, "hallpass:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		err = usageError{err}
	} else {
		parsed.BindTo(hallpass.WithActor(ctx, commandLine), (*context.Context)(nil))
		err = parsed.Run(&c, std, stop)
	}
	if err == nil {
		return 0
	}
	fmt.Fprintf(std.err, "hallpass: %v\n", err)
	if errors.As(err, new(usageError)) {
		words := "hallpass"
		if command := strings.Join(commandWords(parser.Model.Node, args), " "); command != "" {
			words += " " + command
		}
		fmt.Fprintf(std.err, "Run %s --help to see how it is used.\n", words)
		return exitUsage
	}
	return exitFailed
}

// commandWords returns the words at the start of args that name a command.
func commandWords(node *kong.Node, args []string) []string {
	for i, word := range args {
		at := slices.IndexFunc(node.Children, func(child *kong.Node) bool { return child.Name == word })
		if at < 0 {
			return args[:i]
		}
		node = node.Children[at]
	}
	return args
}
