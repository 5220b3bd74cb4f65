// Package plural says how many there are of something, in the words of messages.
package plural

import "fmt"

// Of returns "0 calls", "1 call" or "2 calls". The noun must be one that takes an s.
func Of[N int | uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
