package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type configCommand struct {
	jsonFlag
	serveSettings
}

// Help implements kong's HelpProvider.
func (configCommand) Help() string {
	return `It takes the flags of hallpass serve, the environment and the --config file, and says where each setting comes from. Passwords in URLs are masked.`
}

type settingRow struct {
	Name   string `json:"name"`
	Value  any    `json:"value"`
	Origin string `json:"origin"` // flag, environment, file or default
}

// Run prints each setting, its value, and where that comes from.
func (c *configCommand) Run(parsed *kong.Context, std streams) error {
	var rows []settingRow
	for _, flag := range parsed.Flags() {
		if slices.Contains([]string{"help", "json", "config"}, flag.Name) {
			continue
		}
		value := parsed.FlagValue(flag)
		if text, ok := value.(string); ok {
			value = masked(text)
		}
		if d, ok := value.(fmt.Stringer); ok {
			value = d.String()
		}
		rows = append(rows, settingRow{Name: flag.Name, Value: value, Origin: origin(parsed, flag)})
	}
	if c.JSON {
		encoder := json.NewEncoder(std.out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(rows)
	}
	table := newTable(std.out, "SETTING", "VALUE", "FROM", "ENVIRONMENT")
	for _, r := range rows {
		table.row(r.Name, fmt.Sprint(r.Value), r.Origin, "HALLPASS_"+strings.ToUpper(strings.ReplaceAll(r.Name, "-", "_")))
	}
	return table.flush()
}

func origin(parsed *kong.Context, flag *kong.Flag) string {
	for _, element := range parsed.Path {
		if element.Flag == flag && !element.Resolved {
			return "flag"
		}
	}
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return "environment"
		}
	}
	for _, element := range parsed.Path {
		if element.Flag == flag {
			return "file"
		}
	}
	return "default"
}

// masked hides the password of a URL.
func masked(text string) string {
	if u, err := url.Parse(text); err == nil && u.User != nil {
		return u.Redacted()
	}
	return text
}
