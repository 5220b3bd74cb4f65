//go:build !race

package hotline_test

const raceEnabled = false
