// Package pyjwttest lets the real PyJWT read and write tokens, for tests of its replacement. It
// needs a python3 that can import jwt, for example from Debian's package python3-jwt.
package pyjwttest

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// script reads one JSON request from standard input and writes the answer.
const script = `
import json, sys
from jwt import PyJWT, PyJWTError
asked = json.load(sys.stdin)
jwt = PyJWT()
if "token" in asked:
    try:
        answer = {"claims": jwt.decode(asked["token"], asked["key"], **asked["options"])}
    except PyJWTError as e:
        answer = {"error": str(e)}
else:
    token = jwt.encode(asked["claims"], asked["key"], algorithm=asked["algorithm"], headers=asked["headers"])
    answer = {"token": token if isinstance(token, str) else token.decode()}
json.dump(answer, sys.stdout)
`

// PyJWT is a Python interpreter that has the library.
type PyJWT struct{ python string }

// Find finds such an interpreter. If there is none, it skips the test with the name of Debian's
// package, or fails it if HALLPASS_TEST_REQUIRE lists that name.
func Find(t *testing.T) PyJWT {
	t.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "from jwt import PyJWT, PyJWTError").Run() == nil {
			return PyJWT{python}
		}
	}
	const name = "python3-jwt"
	if slices.Contains(strings.Split(os.Getenv("HALLPASS_TEST_REQUIRE"), ","), name) {
		t.Fatal(name + " is required and not there")
	}
	t.Skip(name + " is not there")
	return PyJWT{}
}

// Decode lets PyJWT verify a token with the keyword arguments of its decode(). It returns the
// claims, or PyJWT's words for what is wrong.
func (p PyJWT) Decode(
	t *testing.T,
	token string,
	secret []byte,
	options map[string]any,
) (claims map[string]any, problem string) {
	t.Helper()
	var answer struct {
		Claims map[string]any
		Error  string
	}
	p.ask(t, map[string]any{"token": token, "key": string(secret), "options": options}, &answer)
	return answer.Claims, answer.Error
}

// Encode lets PyJWT create a token with additional header members, which may be nil.
func (p PyJWT) Encode(t *testing.T, secret []byte, algorithm string, headers, claims map[string]any) string {
	t.Helper()
	var answer struct{ Token string }
	p.ask(
		t,
		map[string]any{"key": string(secret), "algorithm": algorithm, "headers": headers, "claims": claims},
		&answer,
	)
	return answer.Token
}

func (p PyJWT) ask(t *testing.T, question, answer any) {
	t.Helper()
	input, err := json.Marshal(question)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(p.python, "-c", script)
	command.Stdin = bytes.NewReader(input)
	var problem bytes.Buffer
	command.Stderr = &problem
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", p.python, err, problem.String())
	}
	if err := json.Unmarshal(output, answer); err != nil {
		t.Fatal(err)
	}
}
