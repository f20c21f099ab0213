package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hallpass-go/hallpass/internal/users"
	"github.com/hallpass-go/hallpass/password"
)

type userCommand struct {
	Add      userAddCommand      `cmd:"" help:"Create a user."`
	Import   userImportCommand   `cmd:"" help:"Import users of another system, with their password hashes."`
	List     userListCommand     `cmd:"" help:"List the users."`
	Show     userShowCommand     `cmd:"" help:"Show one user."`
	SetRoles userSetRolesCommand `cmd:"" help:"Replace a user's roles."`
	Disable  userDisableCommand  `cmd:"" help:"Stop a user from logging in, and end their sessions."`
	Enable   userEnableCommand   `cmd:"" help:"Let a disabled user log in again."`
	Delete   userDeleteCommand   `cmd:"" help:"Delete a user and end their sessions."`
}

// userArgument names a user.
type userArgument struct {
	User string `arg:"" help:"ID or user name. If it looks like an ID, it is never treated as a name."`
}

// jsonFlag selects output for programs.
type jsonFlag struct {
	JSON bool `name:"json" help:"Print JSON."`
}

type userAddCommand struct {
	jsonFlag
	Name              string   `arg:"" help:"User name."`
	Email             string   `env:"-" placeholder:"ADDRESS" help:"E-mail address."`
	Role              []string `env:"-" placeholder:"ROLE" help:"${user_add_role}"`
	PasswordStdin     bool     `env:"-" help:"Read the password from the first line of standard input."`
	PasswordMinLength int      `default:"15" placeholder:"N" help:"${user_password_min} Default: ${default}."`
}

func (c *userAddCommand) Run(ctx context.Context, all *commands, std streams) error {
	if !c.PasswordStdin {
		return usageError{
			errors.New(
				"give the password on standard input, with --password-stdin: on the command line others could see it",
			),
		}
	}
	if c.PasswordMinLength < 8 {
		return usageError{errors.New("--password-min-length is under 8")}
	}
	secret, err := readPassword(std.in)
	if err != nil {
		return err
	}
	in, err := all.open(ctx, openOptions{policy: password.Policy{MinLength: c.PasswordMinLength}})
	if err != nil {
		return err
	}
	defer in.Close()
	service, err := in.users()
	if err != nil {
		return err
	}
	user, err := service.Create(ctx, users.NewUser{
		Username: c.Name, Email: c.Email, Password: secret, Roles: append([]string{"user"}, c.Role...),
	})
	if err != nil {
		return explain(err)
	}
	return printUsers(std.out, c.JSON, user)
}

// readPassword reads one line. The line end is not part of the password, but spaces are.
func readPassword(r io.Reader) (string, error) {
	const most = 4096
	line, err := bufio.NewReaderSize(io.LimitReader(r, most), most).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if line == "" {
		return "", usageError{errors.New("standard input held no password")}
	}
	return line, nil
}

// explain says in full sentences what is wrong with a user.
func explain(err error) error {
	invalid, ok := errors.AsType[*users.InvalidError](err)
	switch {
	case ok:
		var lines []string
		for _, f := range invalid.Fields {
			lines = append(lines, f.Field+": "+f.Detail)
		}
		return errors.New(strings.Join(lines, "\n          "))
	case errors.Is(err, users.ErrUsernameTaken):
		return errors.New("another user has this name, in this or another spelling, or had it within the last 30 days")
	case errors.Is(err, users.ErrLastAdmin):
		return errors.New("nobody would be left to administer the server: make another administrator first")
	}
	return err
}

// listBatch is how many rows of a list are read at a time.
const listBatch = 200

type userListCommand struct{ jsonFlag }

func (c *userListCommand) Run(ctx context.Context, all *commands, std streams) error {
	in, err := all.open(ctx, openOptions{mustExist: true})
	if err != nil {
		return err
	}
	defer in.Close()
	var list []users.User
	for after := ""; ; after = list[len(list)-1].ID {
		some, err := in.accounts.List(ctx, after, listBatch)
		if err != nil {
			return err
		}
		list = append(list, some...)
		if len(some) < listBatch {
			return printUsers(std.out, c.JSON, list...)
		}
	}
}

type userShowCommand struct {
	userArgument
	jsonFlag
}

func (c *userShowCommand) Run(ctx context.Context, all *commands, std streams) error {
	return c.change(ctx, all, std, c.JSON, func(_ *users.Service, user users.User) (users.User, error) {
		return user, nil
	})
}

type userSetRolesCommand struct {
	userArgument
	jsonFlag
	Role []string `env:"-" required:"" placeholder:"ROLE" help:"Role; can be repeated."`
}

func (c *userSetRolesCommand) Run(ctx context.Context, all *commands, std streams) error {
	return c.change(ctx, all, std, c.JSON, func(s *users.Service, user users.User) (users.User, error) {
		return s.SetRoles(ctx, user.ID, c.Role)
	})
}

type userDisableCommand struct {
	userArgument
	jsonFlag
}

func (c *userDisableCommand) Run(ctx context.Context, all *commands, std streams) error {
	return c.change(ctx, all, std, c.JSON, func(s *users.Service, user users.User) (users.User, error) {
		return s.Disable(ctx, user.ID)
	})
}

type userEnableCommand struct {
	userArgument
	jsonFlag
}

func (c *userEnableCommand) Run(ctx context.Context, all *commands, std streams) error {
	return c.change(ctx, all, std, c.JSON, func(s *users.Service, user users.User) (users.User, error) {
		return s.Enable(ctx, user.ID)
	})
}

type userDeleteCommand struct {
	userArgument
	jsonFlag
}

func (c *userDeleteCommand) Run(ctx context.Context, all *commands, std streams) error {
	return c.change(ctx, all, std, c.JSON, func(s *users.Service, user users.User) (users.User, error) {
		return user, s.Delete(ctx, user.ID)
	})
}

// change finds the user, calls do, and prints the changed user.
func (a userArgument) change(
	ctx context.Context,
	all *commands,
	std streams,
	json bool,
	do func(*users.Service, users.User) (users.User, error),
) error {
	in, err := all.open(ctx, openOptions{mustExist: true})
	if err != nil {
		return err
	}
	defer in.Close()
	user, err := in.findUser(ctx, a.User)
	if err != nil {
		return err
	}
	service, err := in.users()
	if err != nil {
		return err
	}
	if user, err = do(service, user); err != nil {
		return explain(err)
	}
	return printUsers(std.out, json, user)
}

// hasAdmin reports whether there is an administrator.
func (in *installation) hasAdmin(ctx context.Context) (bool, error) {
	return in.accounts.HasAdmin(ctx)
}

type userRow struct {
	ID        string    `json:"id"`
	Username  string    `json:"username"`
	Email     *string   `json:"email"`
	Roles     []string  `json:"roles"`
	Disabled  bool      `json:"disabled"`
	CreatedAt time.Time `json:"created_at"`
}

func printUsers(w io.Writer, asJSON bool, list ...users.User) error {
	if asJSON {
		return printJSONLines(w, list, func(u users.User) any {
			row := userRow{
				ID:        u.ID,
				Username:  u.Username,
				Roles:     u.Roles,
				Disabled:  u.Disabled,
				CreatedAt: u.CreatedAt,
			}
			if u.Email != "" {
				row.Email = &u.Email
			}
			return row
		})
	}
	table := newTable(w, "ID", "USERNAME", "ROLES", "STATE", "CREATED", "EMAIL")
	for _, u := range list {
		state := "enabled"
		if u.Disabled {
			state = "disabled"
		}
		table.row(u.ID, u.Username, strings.Join(u.Roles, ","), state, u.CreatedAt.Format(time.RFC3339), u.Email)
	}
	return table.flush()
}
