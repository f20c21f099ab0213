// Package hallpass authenticates HTTP APIs with JSON Web Tokens.
package hallpass
