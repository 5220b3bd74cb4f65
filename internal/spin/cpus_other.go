//go:build !linux

package spin

import "math"

// quota is the CPU quota of this process: systems other than Linux have none that we know how to read.
func quota() float64 { return math.Inf(1) }
