package charnames

import (
	"cmp"
	"slices"
	"strings"
)

// match says how well a word of a query fits a name; less is better.
type match int

const (
	whole  match = iota // it is one of the name's words
	prefix              // one of them begins with it
	inside              // it is somewhere in one of them
	none
)

// hit is a name that fits a query.
type hit struct {
	place int32
	score int // sum of the matches of the query's words
	size  int // of the name
}

// compare orders hits, the best first: those that fit better, then shorter names, then lower code points.
func (h hit) compare(o hit) int {
	return cmp.Or(cmp.Compare(h.score, o.score), cmp.Compare(h.size, o.size), cmp.Compare(h.place, o.place))
}

// search returns the places of the best names that have all words, in upper case, at most limit of them.
func (x *index) search(words []string, limit int) []int32 {
	best := make([]hit, 0, limit+1)
	for place := range x.candidates(words).all() {
		score, ok := scoreOf(x.names[place], words)
		if !ok {
			continue
		}
		h := hit{place, score, len(x.names[place])}
		if len(best) == limit && h.compare(best[limit-1]) > 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(best, h, hit.compare)
		best = slices.Insert(best, at, h)[:min(len(best)+1, limit)]
	}
	places := make([]int32, len(best))
	for i, h := range best {
		places[i] = h.place
	}
	return places
}

// candidates returns the places of the names that have the rarest of the words: no others can have all.
func (x *index) candidates(words []string) set {
	var rarest []int
	fewest := -1
	for _, word := range words {
		found := x.wordsWith(word)
		n := 0
		for _, w := range found {
			n += len(x.placesOf(w))
		}
		if fewest < 0 || n < fewest {
			fewest, rarest = n, found
		}
	}
	s := newSet(len(x.runes))
	for _, w := range rarest {
		for _, place := range x.placesOf(w) {
			s.add(place)
		}
	}
	return s
}

// scoreOf returns how well a name fits the words, and whether it has them all.
func scoreOf(name string, words []string) (score int, ok bool) {
	for _, word := range words {
		m := matchOf(name, word)
		if m == none {
			return 0, false
		}
		score += int(m)
	}
	return score, true
}

// matchOf returns the best match of a word with any word of a name.
func matchOf(name, word string) match {
	best := none
	for from := 0; best > whole; {
		at := strings.Index(name[from:], word)
		if at < 0 {
			break
		}
		at += from
		from = at + 1
		end := at + len(word)
		switch {
		case at > 0 && !separates(name[at-1]):
			best = min(best, inside)
		case end < len(name) && !separates(name[end]):
			best = min(best, prefix)
		default:
			best = whole
		}
	}
	return best
}

func separates(c byte) bool { return c == ' ' || c == '-' }
