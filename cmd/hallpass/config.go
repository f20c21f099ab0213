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
	return `It reads the flags of hallpass serve, the environment and the --config file, and shows
where each setting comes from. Passwords in URLs are masked. If hallpass serve would refuse the
settings, it says why and exits with code 2.`
}

type settingRow struct {
	Name   string `json:"name"`
	Value  any    `json:"value"`
	Origin string `json:"origin"` // flag, environment, file or default
}

// Run prints each setting, its value, and its origin.
func (c *configCommand) Run(all *commands, parsed *kong.Context, std streams) error {
	c.Issuer = c.issuer(c.Addr)
	derived := map[string]string{
		"db":          "sqlite:" + all.databasePath(),
		"secret-file": all.secretPath(),
		"issuer":      c.Issuer,
		"audience":    c.audience(),
	}
	var rows []settingRow
	for _, flag := range parsed.Flags() {
		if slices.Contains([]string{"help", "json", "config"}, flag.Name) {
			continue
		}
		value := parsed.FlagValue(flag)
		switch v := value.(type) {
		case string:
			value = masked(v)
			if v == "" {
				value = derived[flag.Name]
			}
		case []string:
			value = append([]string{}, v...) // so that JSON has an empty list instead of null
		}
		if d, ok := value.(fmt.Stringer); ok {
			value = d.String()
		}
		rows = append(rows, settingRow{Name: flag.Name, Value: value, Origin: origin(parsed, flag)})
	}
	if err := c.print(std, rows); err != nil {
		return err
	}
	_, _, err := (&serveCommand{c.serveSettings}).validate()
	return err
}

func (c *configCommand) print(std streams, rows []settingRow) error {
	if c.JSON {
		encoder := json.NewEncoder(std.out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(rows)
	}
	table := newTable(std.out, "SETTING", "VALUE", "FROM", "ENVIRONMENT")
	for _, r := range rows {
		table.row(r.Name, fmt.Sprint(r.Value), r.Origin,
			"HALLPASS_"+strings.ToUpper(strings.ReplaceAll(r.Name, "-", "_")))
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

// masked hides possible passwords in a URL: the user's password, and every value in the query. If
// text looks like a URL but cannot be parsed, only the scheme is shown.
func masked(text string) string {
	scheme, _, isURL := strings.Cut(text, ":")
	u, err := url.Parse(text)
	switch {
	case scheme == "sqlite" || !strings.ContainsAny(text, "@?"):
		return text
	case err != nil || u.Opaque != "" || u.Host == "":
		if isURL && !strings.ContainsAny(scheme, "@?/") {
			return scheme + ":xxxxx"
		}
		return "xxxxx"
	}
	if u.User != nil {
		u.User = url.UserPassword(u.User.Username(), "xxxxx")
	}
	query := u.Query()
	for name := range query {
		query[name] = []string{"xxxxx"}
	}
	u.RawQuery = query.Encode()
	return u.String()
}
