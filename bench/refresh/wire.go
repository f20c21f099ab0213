package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// wire is how a server wants a refresh to be asked for.
type wire struct {
	inHeader bool   // the token is in the Authorization header instead of the body
	field    string // of the answer, with the next token
}

func wireOf(name string) wire {
	if name == pocketbaseName {
		return wire{inHeader: true, field: "token"}
	}
	return wire{field: "refresh_token"}
}

// refresh exchanges a token for the next.
func (w wire) refresh(client *http.Client, url, token string) (string, error) {
	body := ""
	if !w.inHeader {
		body = `{"refresh_token":"` + token + `"}`
	}
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	if w.inHeader {
		r.Header.Set("Authorization", token)
	}
	answer, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("it answered %s: %s, %w", answer.Status, content, err)
	}
	// Only the next token is read, since this process must not be the bottleneck.
	_, next, found := bytes.Cut(content, []byte(`"`+w.field+`":`))
	if !found {
		return "", fmt.Errorf("the answer has no %s: %s", w.field, content)
	}
	err = json.NewDecoder(bytes.NewReader(next)).Decode(&token)
	return token, err
}
