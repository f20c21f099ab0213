package e2e

import (
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	sectionOfPage = regexp.MustCompile(`(?s)<section id="(\w+)">(.*?)</section>`)
	titleOfPage   = regexp.MustCompile(`<h2><code><b>(\w+)</b> ([^<]+)</code></h2>`)
	codeOfPage    = regexp.MustCompile(`(?s)<pre><code>(.*?)</code></pre>`)
)

// realCurl is a curl that fails if the server refuses. Its folder stands first in PATH.
const realCurl = "#!/bin/sh\nexec %s --fail-with-body \"$@\"\n"

// Every command of the page at /docs works as it is pasted.
func TestDocs_commandsWork(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		missing(t, "curl")
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "curl"), fmt.Appendf(nil, realCurl, curl), 0o700); err != nil {
		t.Fatal(err)
	}
	s := serve(t, "--security-contact", "mailto:security@example.com")
	paste := func(about string, lines ...string) {
		command := exec.Command("bash", "-e", "-o", "pipefail", "-c", strings.Join(lines, "\n"))
		command.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
		if out, err := command.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s\n%s", about, err, strings.Join(lines, "\n"), out)
		}
	}
	page := s.do(request{Do: "GET /docs"}).want(200, "").Text
	var start []string
	commands := map[string]string{} // by route
	for _, section := range sectionOfPage.FindAllStringSubmatch(page, -1) {
		code := codeOfPage.FindStringSubmatch(section[2])
		if title := titleOfPage.FindStringSubmatch(section[2]); title != nil {
			commands[title[1]+" "+title[2]] = html.UnescapeString(code[1])
		} else if section[1] == "start" {
			start = strings.Split(strings.TrimSpace(html.UnescapeString(code[1])), "\n")
		}
	}
	if len(start) < 5 || len(commands) < 30 {
		t.Fatalf("%d lines to start with and %d routes:\n%s", len(start), len(commands), page)
	}
	paste("start", start...)
	if commands["POST /v1/users"] != start[0] {
		t.Errorf("two ways to sign up: %s and %s", commands["POST /v1/users"], start[0])
	}
	delete(commands, "POST /v1/users")
	s.command("", "user", "set-roles", "alice", "--role", "user,admin")
	n := 0
	for route, command := range commands {
		lines := append(start[1:len(start):len(start)], "", command)
		if strings.Contains(route, "/users/{id}") && !strings.HasPrefix(route, "GET") {
			n++ // what is done to a user is done to another
			lines[len(start)-1] = "ID=" + s.signUp(fmt.Sprint("user", n))
		}
		if strings.Contains(route, "/clients/{id}") {
			n++
			lines[len(start)-1] = "CLIENT=" + s.addClient(fmt.Sprint("client", n)).ID
		}
		paste(route, lines...)
	}
}
