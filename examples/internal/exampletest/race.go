//go:build race

package exampletest

// slowness is by how much the race detector slows a start, which hashes a password.
const slowness = 20
