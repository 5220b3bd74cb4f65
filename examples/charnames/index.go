package charnames

import (
	"index/suffixarray"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// index holds every character that has a name, ready to be searched. It is immutable.
type index struct {
	runes  []rune   // in ascending order
	names  []string // names[i] is that of runes[i]
	byName map[string]rune

	words      *suffixarray.Index // over the different words of all names, each between two line ends
	wordStarts []int32            // where each of them begins there, and where the last ends
	postings   []int32            // places in runes: those of the first word, then of the second...
	postStarts []int32            // where each word's begin
}

func newIndex() *index {
	x := &index{byName: make(map[string]rune)}
	places := make(map[string][]int32) // of each word
	for r := rune(0); r <= unicode.MaxRune; r++ {
		name := nameOf(r)
		if name == "" {
			continue
		}
		at := int32(len(x.runes))
		x.runes, x.names = append(x.runes, r), append(x.names, name)
		x.byName[name] = r
		for _, word := range splitWords(name) {
			if p := places[word]; len(p) == 0 || p[len(p)-1] != at {
				places[word] = append(p, at)
			}
		}
	}
	x.runes, x.names = slices.Clip(x.runes), slices.Clip(x.names)
	x.indexWords(places)
	return x
}

// indexWords lays the words out in one text, and their postings in one slice.
func (x *index) indexWords(places map[string][]int32) {
	words := slices.Sorted(maps.Keys(places))
	text := []byte("\n")
	for _, word := range words {
		x.wordStarts = append(x.wordStarts, int32(len(text)))
		x.postStarts = append(x.postStarts, int32(len(x.postings)))
		text = append(append(text, word...), '\n')
		x.postings = append(x.postings, places[word]...)
	}
	x.wordStarts = slices.Clip(append(x.wordStarts, int32(len(text))))
	x.postStarts = slices.Clip(append(x.postStarts, int32(len(x.postings))))
	x.postings = slices.Clip(x.postings)
	x.words = suffixarray.New(slices.Clip(text))
}

// splitWords splits a name or a query, in upper case, at spaces and hyphens.
func splitWords(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == '-' || unicode.IsSpace(r) })
}

// wordsWith returns the words that part is in, by number, each once.
func (x *index) wordsWith(part string) []int {
	var found []int
	for _, offset := range x.words.Lookup([]byte(part), -1) {
		n, exact := slices.BinarySearch(x.wordStarts, int32(offset))
		if !exact {
			n--
		}
		found = append(found, n)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// placesOf returns the places of the characters that have a word.
func (x *index) placesOf(word int) []int32 {
	return x.postings[x.postStarts[word]:x.postStarts[word+1]]
}
