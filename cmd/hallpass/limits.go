package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass/internal/users"
)

// limitSettings are the settings of [users.Limits], a line for each. docs/limits.md says why the
// defaults are what they are.
type limitSettings struct {
	LoginLimitAccount   string `default:"10/1m" placeholder:"N/DURATION" help:"${account_limit} Default: ${default}."`
	LoginLimitAddress   string `default:"100/1m" placeholder:"N/DURATION" help:"${address_limit} Default: ${default}."`
	SignupLimit         string `default:"1000/1m" placeholder:"N/DURATION" help:"${signup_limit} Default: ${default}."`
	RenameLimit         string `default:"5/24h" placeholder:"N/DURATION" help:"${rename_limit} Default: ${default}."`
	RefreshLimit        string `default:"120/1m" placeholder:"N/DURATION" help:"${refresh_limit} Default: ${default}."`
	IntrospectionLimit  string `default:"30000/1m" placeholder:"N/DURATION" help:"${ask_limit} Default: ${default}."`
	RequestLimitUser    string `default:"60000/1m" placeholder:"N/DURATION" help:"${user_limit} Default: ${default}."`
	RequestLimitAddress string `default:"60000/1m" placeholder:"N/DURATION" help:"${client_limit} Default: ${default}."`
}

// limits reads all limits, and returns every mistake in them.
func (c *limitSettings) limits() (l users.Limits, mistakes []error) {
	for _, setting := range []struct {
		flag, text string
		limit      *users.Limit
	}{
		{"--login-limit-account", c.LoginLimitAccount, &l.LoginAccount},
		{"--login-limit-address", c.LoginLimitAddress, &l.LoginAddress},
		{"--signup-limit", c.SignupLimit, &l.Signup},
		{"--rename-limit", c.RenameLimit, &l.Rename},
		{"--refresh-limit", c.RefreshLimit, &l.Refresh},
		{"--introspection-limit", c.IntrospectionLimit, &l.Introspection},
		{"--request-limit-user", c.RequestLimitUser, &l.User},
		{"--request-limit-address", c.RequestLimitAddress, &l.Address},
	} {
		var err error
		if *setting.limit, err = parseLimit(setting.text); err != nil {
			mistakes = append(mistakes, fmt.Errorf("%s: %w", setting.flag, err))
		}
	}
	return l, mistakes
}

// parseLimit reads a limit like "10/1m"; "0" and "off" mean no limit.
func parseLimit(text string) (users.Limit, error) {
	if text == "0" || text == "off" {
		return users.Limit{}, nil
	}
	count, window, _ := strings.Cut(text, "/")
	n, err := strconv.Atoi(count)
	d, windowErr := time.ParseDuration(window)
	if err != nil || windowErr != nil || n < 1 || d <= 0 {
		return users.Limit{}, fmt.Errorf("%q is not a limit like 10/1m, or off for none", text)
	}
	return users.Limit{Burst: n, Per: d}, nil
}
