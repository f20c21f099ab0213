package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hallpass-go/hallpass/internal/userfile"
	"github.com/hallpass-go/hallpass/internal/users"
)

type userImportCommand struct {
	jsonFlag
	File        string            `arg:"" help:"${user_import_file}"`
	Format      string            `env:"-" enum:",jsonl,csv,sqlite" default:"" help:"${user_import_format}"`
	Table       string            `env:"-" placeholder:"NAME" help:"Table or view of a SQLite file."`
	Map         map[string]string `env:"-" mapsep:"," placeholder:"FIELD=COLUMN,…" help:"${user_import_map}"`
	DryRun      bool              `env:"-" help:"${user_import_dry_run}"`
	AllowAdmins bool              `env:"-" help:"${user_import_admins}"`
}

// importBatch is how many rows are written in one transaction: enough that its commit costs little,
// and so few that a server beside it waits some 10 ms for its turn to write.
const importBatch = 250

func (c *userImportCommand) Run(ctx context.Context, all *commands, std streams) error {
	rows, err := c.openFile(ctx, std.in)
	if err != nil {
		return err
	}
	defer rows.Close()
	in, err := all.open(ctx, openOptions{mustExist: c.DryRun})
	if err != nil {
		return err
	}
	defer in.Close()
	service, err := in.users()
	if err != nil {
		return err
	}
	run := importRun{
		rows: rows, report: newImportReport(std.out, c.JSON, c.DryRun), progress: newProgress(std.err),
		users: service.Import(users.ImportConfig{DryRun: c.DryRun, AllowAdmins: c.AllowAdmins}),
	}
	failed := run.all(ctx)
	run.progress.end()
	if err := errors.Join(failed, run.report.end()); err != nil {
		return fmt.Errorf("%w\nEverything before is done: run the same command again to go on", err)
	}
	if n := run.report.Refused; n > 0 {
		return fmt.Errorf("%d of %d rows were refused", n, run.report.Rows)
	}
	return nil
}

// openFile opens the file in its format.
func (c *userImportCommand) openFile(ctx context.Context, in io.Reader) (userfile.Reader, error) {
	format := c.Format
	if format == "" {
		switch strings.ToLower(filepath.Ext(c.File)) {
		case ".jsonl", ".ndjson", ".json":
			format = "jsonl"
		case ".csv":
			format = "csv"
		case ".db", ".sqlite", ".sqlite3":
			format = "sqlite"
		default:
			return nil, usageError{errors.New("the name of the file does not tell its format: give it with --format")}
		}
	}
	if isSQLite := format == "sqlite"; isSQLite != (c.Table != "") {
		return nil, usageError{errors.New("--table names the table of a SQLite file, and is needed for one")}
	}
	if format == "sqlite" {
		return userfile.SQLite(ctx, c.File, c.Table, c.Map)
	}
	text, size := io.NopCloser(in), int64(0)
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return nil, err
		}
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
		text = file
	}
	if format == "csv" {
		return userfile.CSV(text, size, c.Map)
	}
	return userfile.JSONLines(text, size, c.Map)
}

// importRun is one run of an import.
type importRun struct {
	rows     userfile.Reader
	users    *users.Import
	report   *importReport
	progress *progress
}

// all imports all rows, batch after batch.
func (r *importRun) all(ctx context.Context) error {
	for {
		batch, ended := r.readBatch(ctx)
		if err := r.add(ctx, batch); err != nil {
			return err
		}
		r.progress.show(r.report, r.rows)
		switch {
		case errors.Is(ended, io.EOF):
			return nil
		case ended != nil:
			return ended
		}
	}
}

// readBatch reads rows until there are enough. If it cannot go on, it returns what it has read and
// why; at the end of the file, that is [io.EOF].
func (r *importRun) readBatch(ctx context.Context) ([]userfile.Row, error) {
	var batch []userfile.Row
	for len(batch) < importBatch {
		if err := ctx.Err(); err != nil {
			return batch, errors.New("the import was interrupted")
		}
		row, err := r.rows.Next()
		if err != nil {
			return batch, err
		}
		batch = append(batch, row)
	}
	return batch, nil
}

// add imports a batch and reports each of its rows in their order.
func (r *importRun) add(ctx context.Context, batch []userfile.Row) error {
	var list []users.ImportedUser
	for _, row := range batch {
		if row.Problem == "" {
			list = append(list, users.ImportedUser{
				Row: row.Number, Username: row.Username, Email: row.Email, PasswordHash: row.PasswordHash,
				Roles: row.Roles, Disabled: row.Disabled, CreatedAt: row.CreatedAt,
			})
		}
	}
	results, err := r.users.Add(context.WithoutCancel(ctx), list) // what was read is not thrown away
	if err != nil {
		return err
	}
	for _, row := range batch {
		problems := []importProblem{{Row: row.Number, Code: "unreadable", Detail: row.Problem}}
		var result users.Imported
		if row.Problem == "" {
			result, results = results[0], results[1:]
			problems = importProblems(row.Number, result.Err)
		}
		if len(problems) > 0 {
			r.progress.end() // or the bar would stand in the way
		}
		if err := r.report.row(result, problems); err != nil {
			return err
		}
	}
	return nil
}

// importProblem says why a row is refused. It holds no value of the row.
type importProblem struct {
	Row    int    `json:"row"`
	Field  string `json:"field,omitempty"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// importProblems returns what an error says of a row.
func importProblems(row int, err error) []importProblem {
	if err == nil {
		return nil
	}
	if invalid, ok := errors.AsType[*users.InvalidError](err); ok {
		var list []importProblem
		for _, f := range invalid.Fields {
			list = append(list, importProblem{row, f.Field, f.Code, f.Detail})
		}
		return list
	}
	problem := importProblem{Row: row, Field: "username", Code: "taken"}
	problem.Detail = "Another user has this name, in this or another spelling, or had it within the last 30 days."
	if duplicate, ok := errors.AsType[*users.DuplicateError](err); ok {
		problem.Code = "duplicate"
		problem.Detail = fmt.Sprintf("Row %d has this name, in this or another spelling.", duplicate.Row)
	}
	return []importProblem{problem}
}

// importReport tells what became of the rows.
type importReport struct {
	DryRun   bool           `json:"dry_run"`
	Rows     int            `json:"rows"`
	Imported int            `json:"imported"`
	Already  int            `json:"already_imported"`
	Refused  int            `json:"refused"`
	Formats  map[string]int `json:"formats"` // of the rows that are not refused

	out    io.Writer
	asJSON bool
}

func newImportReport(out io.Writer, asJSON, dryRun bool) *importReport {
	return &importReport{DryRun: dryRun, Formats: map[string]int{}, out: out, asJSON: asJSON}
}

// row counts a row and prints its problems.
func (r *importReport) row(result users.Imported, problems []importProblem) error {
	r.Rows++
	switch {
	case len(problems) > 0:
		r.Refused++
	case result.Already:
		r.Already++
		r.Formats[result.Format]++
	default:
		r.Imported++
		r.Formats[result.Format]++
	}
	if r.asJSON {
		return printJSONLines(r.out, problems, func(p importProblem) any { return p })
	}
	for _, p := range problems {
		text := p.Detail
		if p.Field != "" {
			text = p.Field + ": " + text
		}
		if _, err := fmt.Fprintf(r.out, "row %d: %s\n", p.Row, printable(text)); err != nil {
			return err
		}
	}
	return nil
}

// end prints the sums.
func (r *importReport) end() error {
	if r.asJSON {
		return json.NewEncoder(r.out).Encode(r)
	}
	verb := "imported"
	if r.DryRun {
		verb = "would be imported"
	}
	_, err := fmt.Fprintf(r.out, "%d rows: %d %s, %d imported earlier, %d refused\n",
		r.Rows, r.Imported, verb, r.Already, r.Refused)
	table := newTable(r.out, "FORMAT", "PASSWORDS THAT CAN BE CHECKED")
	for _, format := range slices.Sorted(maps.Keys(r.Formats)) {
		table.row(format, fmt.Sprint(r.Formats[format]))
	}
	if len(r.Formats) == 0 {
		return err
	}
	return errors.Join(err, table.flush())
}
