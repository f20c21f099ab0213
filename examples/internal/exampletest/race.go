//go:build race

package exampletest

// slowness is how much the race detector may slow down a start, which hashes a password.
const slowness = 20
