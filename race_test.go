//go:build race

package hallpass_test

const raceEnabled = true
