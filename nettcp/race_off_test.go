//go:build !race

package nettcp_test

const raceEnabled = false
