//go:build !race

package exampletest

// slowness is how much slower a machine may be that runs other tests at the same time.
const slowness = 5
