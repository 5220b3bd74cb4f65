package manager

import "strings"

// nearest returns the one of words that word was probably meant to be, or "".
func nearest(word string, words []string) string {
	best, least := "", len(word)/3+2
	for _, w := range words {
		if d := distance(strings.ToLower(word), strings.ToLower(w)); d < least {
			best, least = w, d
		}
	}
	return best
}

// distance is the number of bytes to insert, delete or replace to make b of a.
func distance(a, b string) int {
	before := make([]int, len(b)+1) // distances of the beginnings of b from a without its last byte
	for j := range before {
		before[j] = j
	}
	for i := range len(a) {
		now := make([]int, len(b)+1)
		now[0] = i + 1
		for j := range len(b) {
			now[j+1] = min(before[j+1], now[j]) + 1
			if a[i] == b[j] {
				now[j+1] = min(now[j+1], before[j])
			} else {
				now[j+1] = min(now[j+1], before[j]+1)
			}
		}
		before = now
	}
	return before[len(b)]
}
