// Package browser has the tests of what pages do, in a real Chromium. It is a module of its own, so
// that what drives the browser is no requirement of Hallpass.
package browser
