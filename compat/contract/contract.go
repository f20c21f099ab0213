// Package contract checks what a server answers on the wire against cases that are data, so that
// one list of cases runs against a first system and against what stands in for it.
//
// A file of cases is one [System]. Texts in it may name variables, as ${name}: those that a step
// saved, those that the caller gave in [Options], ${unique}, which no other run has, and ${now},
// ${now+300} or ${now-11}, in seconds. In a JSON value a text that is one variable and nothing else
// stands for the variable's value, a number as a number. In what is wanted, ${*} stands for
// anything but nothing, and ${none} for a header that is not there.
package contract

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/hallpass-go/hallpass/internal/strictjson"
)

// System is the contract of one server.
type System struct {
	Name  string `json:"system"`
	About string `json:"about"`
	// Setup are the steps that all cases need, done once; what they save is there in each case.
	Setup []Step `json:"setup"`
	Cases []Case `json:"cases"`
}

// Case is one promise. Its steps are done in their order; what they save is the case's own.
type Case struct {
	Name  string `json:"name"`
	Seed  string `json:"seed"` // the row of the first system's description
	Steps []Step `json:"steps"`
}

// Step is one exchange, or one token that is made for later ones.
type Step struct {
	Mint    *Mint    `json:"mint"`
	Request *Request `json:"request"`
	Want    *Want    `json:"want"`
	// Original is what the first system answers, where that is another thing: it is broken there,
	// or unsafe.
	Original *Want `json:"original"`
	// Repeat is how often the request may be sent until the answer is as wanted. Defaults to once.
	Repeat int `json:"repeat"`
	// Save names variables by where their value is in the answer: "/access_token" (a JSON pointer,
	// RFC 6901), "header Location", "cookie session" or "body".
	Save map[string]string `json:"save"`
}

// Mint makes a token with the server's own key, or another one, into a variable.
type Mint struct {
	As     string          `json:"as"`
	Header json.RawMessage `json:"header"` // an object; a text is put in as it is
	Claims json.RawMessage `json:"claims"` // likewise
	Key    string          `json:"key"`    // "" the server's, "other" one of nobody's, "none" leaves the signature empty
}

// Request is what is sent.
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

// Want is what is to come back. What it does not name is not looked at.
type Want struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"` // ${none} wants none; in Allow no order counts
	Body    *string           `json:"body"`    // byte for byte
	JSON    json.RawMessage   `json:"json"`    // by value
	Unsafe  string            `json:"unsafe"`  // of an original: what is wrong with it
}

//go:embed cases/*.json
var files embed.FS

// Systems returns the names of all.
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

// Parse reads a system. Members that this package does not know are an error.
func Parse(data []byte) (System, error) {
	var s System
	if err := strictjson.Decode(data, &s); err != nil {
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
