package wait

import "flag"

// Parallel lets the tests that are marked parallel run all at once, however few cores there are, unless the command line
// says how many: it is for packages where such tests wait for time to pass and compute little. TestMain calls it before
// the flags are parsed.
func Parallel() {
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err) // the flag is testing's own
	}
}
