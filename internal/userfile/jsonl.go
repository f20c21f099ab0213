package userfile

import (
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hallpass-go/hallpass/internal/jose"
)

// jsonLines reads one JSON object a line.
type jsonLines struct {
	*file
	plan plan
}

// JSONLines returns a reader of text with one JSON object a line. It closes r; size is the length of
// the text, or 0. The error says what is wrong with the mapping.
func JSONLines(r io.ReadCloser, size int64, m Mapping) (Reader, error) {
	p, err := newPlan(m)
	if err != nil {
		return nil, err
	}
	return &jsonLines{newFile(r, size, false), p}, nil
}

func (j *jsonLines) Next() (Row, error) {
	record, line, err := j.next()
	switch {
	case errors.Is(err, errTooLong):
		return Row{Number: line, Problem: err.Error()}, nil
	case err != nil:
		return Row{}, err
	case !utf8.Valid(record):
		return Row{Number: line, Problem: "the line is not UTF-8 text"}, nil
	case line == 1 && record[0] == '[':
		return Row{}, errors.New("this is one JSON list, and an object on each line is wanted: jq -c '.[]' makes them")
	}
	var object struct {
		Members map[string]any `json:"o"`
	}
	if err := jose.DecodeJSON([]byte(`{"o":`+string(record)+`}`), &object); err != nil || object.Members == nil {
		return Row{Number: line, Problem: "the line is no JSON object, or has a member twice"}, nil
	}
	return j.row(line, object.Members), nil
}

func (j *jsonLines) row(line int, members map[string]any) Row {
	misfit := false
	row := j.plan.row(line, func(name string) (string, bool) {
		value, ok := members[name]
		text, fits := textOf(value)
		misfit = misfit || !fits
		return text, ok
	})
	if misfit && row.Problem == "" {
		const problem = "a member is an object, a list of other things than texts, or too large a number"
		return Row{Number: line, Problem: problem}
	}
	return row
}

// textOf returns the text of a JSON value, of a list the texts with a space between two.
func textOf(value any) (text string, fits bool) {
	switch v := value.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		if math.Abs(v) > 1<<53 {
			return "", false // it is not the number of the file
		}
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case []any:
		var texts []string
		for _, element := range v {
			text, isText := element.(string)
			if !isText {
				return "", false
			}
			texts = append(texts, text)
		}
		return strings.Join(texts, " "), true
	}
	return "", false
}
