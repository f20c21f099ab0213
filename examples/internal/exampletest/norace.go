//go:build !race

package exampletest

// slowness is by how much a machine that runs other tests at the same time may be slower than a
// quiet one.
const slowness = 5
