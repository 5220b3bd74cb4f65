package wait

import (
	"runtime"
	"testing"
	"testing/synctest"

	"hotline/internal/race"
)

// Bubble runs f as [synctest.Test] does. Under the race detector the whole process has one CPU meanwhile: timers of a bubble that
// fire at once on two share one context of the detector, which then crashes now and then (golang/go#78156). What is not ordered
// it still sees on one. Tests with bubbles are not marked parallel.
func Bubble(t *testing.T, f func(*testing.T)) {
	t.Helper()
	if race.Enabled {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	}
	synctest.Test(t, f)
}
