package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/hallpass-go/hallpass/password"
)

// maxBody is the maximum size of a request body in bytes.
const maxBody = 64 << 10

// arguments returns the arguments of a request in JSON or in a form, as the chapter's reqparse
// does. Values that are not texts count as missing.
func arguments(w http.ResponseWriter, r *http.Request) (map[string]string, bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	said := map[string]string{}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		var members map[string]any
		if err := json.NewDecoder(r.Body).Decode(&members); err != nil {
			writeJSON(w, http.StatusBadRequest, message{"The body is not a JSON object."})
			return nil, false
		}
		for name, value := range members {
			said[name], _ = value.(string)
		}
		return said, true
	}
	if err := r.ParseForm(); err != nil {
		writeJSON(w, http.StatusBadRequest, message{"The body is not a form."})
		return nil, false
	}
	for name := range r.Form {
		said[name] = r.Form.Get(name)
	}
	return said, true
}

type message struct {
	Message string `json:"message"`
}

// nothing is answered with 204.
var nothing = new(struct{})

// notFound is Flask's message.
const notFound = "The requested URL was not found on the server. If you entered the URL manually " +
	"please check your spelling and try again."

func answer(w http.ResponseWriter, v any, err error) {
	switch {
	case errors.Is(err, sql.ErrNoRows):
		writeJSON(w, http.StatusNotFound, message{notFound})
	case errors.Is(err, password.ErrOverloaded):
		writeJSON(w, http.StatusServiceUnavailable, message{"Service Unavailable"})
	case err != nil:
		writeJSON(w, http.StatusInternalServerError, message{"Internal Server Error"})
	case v == nothing:
		w.WriteHeader(http.StatusNoContent)
	default:
		writeJSON(w, http.StatusOK, v)
	}
}

// writeJSON writes JSON like Flask-RESTful in debug mode.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "    ")
	_ = encoder.Encode(v)
}
