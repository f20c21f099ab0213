package hallpass

import (
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"

	"github.com/hallpass-go/hallpass/internal/jose"
)

// maxBody is how many bytes of a JSON or form body are read.
const maxBody = 64 << 10

// ReadJSON reads the body of a request, one JSON object of at most 64 KiB, into the struct that v
// points to. It is strict: members match by exact name, unknown and repeated members are refused,
// and the text must be UTF-8. The error is an [Error] that lists every member that is unknown or of
// the wrong type or, if there is none, every member that is missing or forbidden. An absent member
// leaves its field unchanged, so a pointer shows absence. A pointer with the tag
// hallpass:"required" must be present. A [json.RawMessage] with the tag hallpass:"forbidden" must
// be absent; it is refused as forbidden and not as unknown. The tags count in v and in structs
// embedded in it, not in its members.
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
		return ErrUnsupportedMediaType.WithDetail("Send the body as it is, without Content-Encoding.")
	}
	if r.ContentLength > maxBody {
		return ErrTooLarge // before a client that asked whether to go on is told so
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return bodyError(err)
	}
	if err := jose.DecodeJSON(body, v); err != nil {
		return bodyError(err)
	}
	if problems := checkPresence(v); problems != nil {
		return InvalidFields(problems...)
	}
	return nil
}

// checkPresence lists the members that are missing or forbidden, by the tags of the struct that v
// points to.
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
