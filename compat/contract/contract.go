// Package contract checks a server's answers on the wire against test cases that are data. So the
// same cases can run against an original system and against its replacement.
//
// A file of cases is one [System]. Texts in it may contain variables, written ${name}. They are
// saved by a step or given in [Options]. ${unique} is different in each run, and ${now}, ${now+300}
// or ${now-11} are times in seconds. In a JSON value, a text that is only a variable stands for the
// variable's value, and a number stays a number. In expected values, ${*} stands for any value that
// is present, and ${none} for a header that must be absent.
package contract

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/hallpass-go/hallpass/internal/jose"
)

// System is the contract of one server.
type System struct {
	Name  string `json:"system"`
	About string `json:"about"`
	// Setup are steps that all cases need. They run once, and all cases can use what they save.
	Setup []Step `json:"setup"`
	Cases []Case `json:"cases"`
}

// Case is one promise. Its steps run in order. What they save is only visible in this case.
type Case struct {
	Name  string `json:"name"`
	Seed  string `json:"seed"` // the row in the description of the original system
	Steps []Step `json:"steps"`
}

// Step is one request, or one token that is created for later requests.
type Step struct {
	Mint    *Mint    `json:"mint"`
	Request *Request `json:"request"`
	Want    *Want    `json:"want"`
	// Original is the answer of the original system if it differs, because the original is broken
	// or unsafe.
	Original *Want `json:"original"`
	// Repeat is how often the request may be sent until the answer is as expected. Defaults to
	// once.
	Repeat int `json:"repeat"`
	// Save maps names of variables to the places of their values in the answer: "/access_token" (a
	// JSON pointer, RFC 6901), "header Location", "cookie session" or "body".
	Save map[string]string `json:"save"`
}

// Mint creates a token with the server's own key, or another one, and saves it in a variable.
type Mint struct {
	As     string          `json:"as"`
	Header json.RawMessage `json:"header"` // an object; a text is used unchanged
	Claims json.RawMessage `json:"claims"` // the same
	Key    string          `json:"key"`    // "" is the server's; "other" is not; "none" means none
}

// Request is the request to send.
type Request struct {
	Method  string            `json:"method"`
	Path    string            `json:"path"` // with its query
	Headers map[string]string `json:"headers"`
	Basic   *Basic            `json:"basic"`
	Body    string            `json:"body"`
	JSON    json.RawMessage   `json:"json"` // a body with its Content-Type
}

// Basic are the credentials of an Authorization header (RFC 7617).
type Basic struct {
	User     string `json:"user"`
	Password string `json:"password"`
}

// Want is the expected answer. Parts that it does not name are not checked.
type Want struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"` // ${none} for absent; Allow in any order
	Body    *string           `json:"body"`    // byte for byte
	JSON    json.RawMessage   `json:"json"`    // by value
	Unsafe  string            `json:"unsafe"`  // for an original: what is unsafe
}

//go:embed cases/*.json
var files embed.FS

// Systems returns the names of all systems.
func Systems() []string {
	found, err := fs.Glob(files, "cases/*.json")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for i, name := range found {
		found[i] = strings.TrimSuffix(path.Base(name), ".json")
	}
	return found
}

// Load returns a system by its name.
func Load(name string) (System, error) {
	data, err := files.ReadFile("cases/" + name + ".json")
	if err != nil {
		return System{}, fmt.Errorf("no system %q; there are: %s", name, strings.Join(Systems(), ", "))
	}
	return Parse(data)
}

// Parse parses a system. Unknown members are an error.
func Parse(data []byte) (System, error) {
	var s System
	if err := jose.DecodeJSON(data, &s); err != nil {
		return System{}, fmt.Errorf("reading the cases: %w", err)
	}
	for _, c := range append([]Case{{Name: "setup", Steps: s.Setup}}, s.Cases...) {
		for i, step := range c.Steps {
			if (step.Mint == nil) == (step.Request == nil) || (step.Request == nil) != (step.Want == nil) {
				return System{}, fmt.Errorf(
					"%s, step %d: a step has a request with what it wants, or makes a token",
					c.Name,
					i+1,
				)
			}
		}
	}
	return s, nil
}
