package hallpass

import (
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"

	"github.com/hallpass-go/hallpass/internal/strictjson"
)

// maxBody is how many bytes of a JSON or form body are read.
const maxBody = 64 << 10

// ReadJSON reads a request's body, one JSON object, into the struct that v points to, as strictly
// as everything here: members by exact name, none unknown, none twice, UTF-8 only, at most 64 KiB.
// The error is an [Error] that lists every member that does not fit. A member that is absent leaves
// its field as it was, so a pointer tells absence. A pointer with the tag hallpass:"required" must
// be there; a [json.RawMessage] with hallpass:"forbidden" must not, which is told apart from
// members that are unknown.
func ReadJSON(w http.ResponseWriter, r *http.Request, v any) error {
	contentType := r.Header.Get("Content-Type")
	if contentType == "" && !hasBody(r) {
		contentType = "application/json" // there is nothing whose type could be told
	}
	media, parameters, err := mime.ParseMediaType(contentType)
	charset := parameters["charset"]
	if err != nil || media != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return ErrUnsupportedMediaType
	}
	if r.Header.Get("Content-Encoding") != "" {
		return ErrUnsupportedMediaType
	}
	if r.ContentLength > maxBody {
		return ErrTooLarge // before a client that asked whether to go on is told so
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return bodyError(err)
	}
	if err := strictjson.Decode(body, v); err != nil {
		return bodyError(err)
	}
	if problems := checkPresence(v); problems != nil {
		return InvalidFields(problems...)
	}
	return nil
}

// checkPresence lists the members that are wrongly absent or there, by the tags of the struct that
// v points to.
func checkPresence(v any) (problems []FieldError) {
	body := reflect.ValueOf(v).Elem()
	for _, field := range reflect.VisibleFields(body.Type()) {
		tag := field.Tag.Get("hallpass")
		if tag == "" {
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		there := !body.FieldByIndex(field.Index).IsZero()
		switch {
		case tag == "required" && !there:
			problems = append(problems, FieldError{Field: name, Code: "missing", Detail: "This member is required."})
		case tag == "forbidden" && there:
			problems = append(
				problems,
				FieldError{Field: name, Code: "forbidden", Detail: "This member cannot be set here."},
			)
		}
	}
	return problems
}

// hasBody reports whether the request has a body that is not empty.
func hasBody(r *http.Request) bool {
	return r.ContentLength != 0 && r.Body != nil && r.Body != http.NoBody
}
