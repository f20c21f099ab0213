package main

import (
	"context"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hallpass-go/hallpass/internal/testservers"
)

func TestMain(m *testing.M) {
	testscript.Main(withServers{m}, map[string]func(){"hallpass": main})
}

// withServers stops the servers that tests have started.
type withServers struct{ m *testing.M }

func (w withServers) Run() int { return testservers.Run(w.m) }

// The scripts read like sessions at a terminal.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			address, err := freeAddress()
			env.Setenv("ADDR", address)
			env.Setenv("VECTORS", os.Getenv("HALLPASS_VECTORS"))
			return err
		},
		Condition: func(name string) (bool, error) {
			return name == "vectors" && os.Getenv("HALLPASS_VECTORS") != "", nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"ready": waitReady, "chmod": changeMode},
	})
}

// changeMode is "chmod MODE FILE".
func changeMode(ts *testscript.TestScript, _ bool, args []string) {
	var mode os.FileMode
	for _, digit := range args[0] {
		mode = mode<<3 | os.FileMode(digit-'0')
	}
	ts.Check(os.Chmod(ts.MkAbs(args[1]), mode))
}

// waitReady is "ready". It waits until the server at $ADDR is ready.
func waitReady(ts *testscript.TestScript, _ bool, _ []string) {
	for range 400 {
		resp, err := http.Get("http://" + ts.Getenv("ADDR") + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(25 * time.Millisecond)
	}
	ts.Fatalf("no server is ready at %s", ts.Getenv("ADDR"))
}

func freeAddress() (string, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
