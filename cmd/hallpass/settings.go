package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/hallpass-go/hallpass/internal/jose"
)

// settings are the settings in a --config file: flag name → value.
type settings map[string]json.RawMessage

const maxSettings = 1 << 20

// readSettings reads a settings file.
func readSettings(r io.Reader) (kong.Resolver, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSettings))
	if err != nil {
		return nil, err
	}
	var file struct {
		Settings settings `json:"settings"`
	}
	// Inside this object, the file is parsed as strictly as any other member.
	if err := jose.DecodeJSON(fmt.Appendf(nil, `{"settings":%s}`, text), &file); err != nil {
		return nil, fmt.Errorf("the settings file is not a JSON object of settings: %w", err)
	}
	return file.Settings, nil
}

// Validate implements [kong.Resolver]. Settings that no command has are errors and are not ignored.
func (s settings) Validate(app *kong.Application) error {
	known := map[string]bool{}
	_ = kong.Visit(app, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok && isSetting(flag) {
			known[flag.Name] = true
		}
		return next(nil)
	})
	var unknown []string
	for name := range s {
		if !known[name] || name == "config" || name == "help" {
			unknown = append(unknown, name)
		}
	}
	if unknown != nil {
		slices.Sort(unknown)
		return fmt.Errorf("the settings file sets what is no setting: %s", strings.Join(unknown, ", "))
	}
	return nil
}

// isSetting reports whether a flag may come from the environment or a file. One that says what a command
// acts on may not: what somebody has set somewhere must not end sessions or make an administrator.
func isSetting(flag *kong.Flag) bool { return len(flag.Envs) > 0 }

// Resolve implements [kong.Resolver]. Without the check, kong would let the file override the
// environment.
func (s settings) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if !isSetting(flag) {
		return nil, nil
	}
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	raw, set := s[flag.Name]
	if !set {
		return nil, nil
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return nil, fmt.Errorf("setting %s: %w", flag.Name, err)
	}
	return value, nil
}
