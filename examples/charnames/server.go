package charnames

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/text/unicode/runenames"

	"hotline"
)

// Server is the service. It can also be used as the plain struct that it is, in the process itself: call Start first.
type Server struct {
	hotline.ServerMethodsBase `port:"5556" name:"charnames" version:"1.0.0"`
	Methods

	index *index // immutable after Start
	heap  int64  // bytes that the index takes; immutable after Start
	calls atomic.Int64
}

// Start builds the index. It is not served: hotline calls it before the first call.
func (s *Server) Start(context.Context) error {
	before := heapInUse()
	s.index = newIndex()
	s.heap = heapInUse() - before
	debug.FreeOSMemory() // what the building used goes back at once, not in some minutes
	return nil
}

// heapInUse returns the bytes of the heap that are reachable.
func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Name returns the name of a character by its code point. A code point without
// a name is an error that says why it has none.
//
//	hotline call charnames Name 945
func (s *Server) Name(r rune) (string, error) {
	s.calls.Add(1)
	at, ok := slices.BinarySearch(s.index.runes, r)
	if !ok {
		return "", noName(r)
	}
	return s.index.names[at], nil
}

// Find returns the character of a name, in upper or lower case. The name must
// be complete: Search takes parts of names.
//
//	hotline call charnames Find "greek small letter pi"
func (s *Server) Find(name string) (Character, error) {
	s.calls.Add(1)
	full := strings.ToUpper(strings.Join(strings.Fields(name), " "))
	if r, ok := s.index.byName[full]; ok {
		return newCharacter(r, full), nil
	}
	switch {
	case full == "":
		return Character{}, errors.New("the name is empty: pass one such as \"greek small letter alpha\"")
	case strings.HasPrefix(full, "<"):
		return Character{}, fmt.Errorf("%s is no name: characters without one have only a label in brackets", quote(name))
	}
	return Character{}, fmt.Errorf("no character is named %s: Search finds names by some of their words", quote(name))
}

// Describe returns the characters of a text, in their order, with their names.
// One that has no name has a label instead, as in <control-000A>.
//
//	hotline call charnames Describe "α → ω"
func (s *Server) Describe(text string) ([]Character, error) {
	s.calls.Add(1)
	switch n := utf8.RuneCountInString(text); {
	case n == 0:
		return nil, errors.New("the text is empty: pass at least one character")
	case n > MaxText:
		return nil, fmt.Errorf("the text has %d characters, at most %d can be described at once: pass it in parts", n, MaxText)
	}
	if err := checkUTF8("text", text); err != nil {
		return nil, err
	}
	var all []Character
	for _, r := range text {
		all = append(all, s.character(r))
	}
	return all, nil
}

// Range returns the characters from one code point to another, both included,
// 1000 at most. Code points without a name are left out.
//
//	hotline call charnames Range 8704 8719
func (s *Server) Range(first, last rune) ([]Character, error) {
	s.calls.Add(1)
	if err := cmp.Or(checkCodePoint(first), checkCodePoint(last)); err != nil {
		return nil, err
	}
	switch n := int(last) - int(first) + 1; {
	case n < 1:
		return nil, fmt.Errorf("the range from %U to %U is empty: pass the lower code point first", first, last)
	case n > MaxRange:
		return nil, fmt.Errorf("the range from %U to %U has %d code points, at most %d can be asked for at once: ask in parts",
			first, last, n, MaxRange)
	}
	from, _ := slices.BinarySearch(s.index.runes, first)
	to, _ := slices.BinarySearch(s.index.runes, last+1)
	return s.characters(from, to), nil
}

// Search returns the characters whose names have all words of a query, as many
// as the limit, 1 to 100, lets. The best are first: whole words before
// beginnings of words before other parts of words, then shorter names.
//
//	hotline call charnames Search "greek small alpha" 5
func (s *Server) Search(query string, limit int) ([]Character, error) {
	s.calls.Add(1)
	if limit < 1 || limit > MaxLimit {
		return nil, fmt.Errorf("limit %d is out of range: ask for 1 to %d characters", limit, MaxLimit)
	}
	if len(query) > MaxQuery {
		return nil, fmt.Errorf("the query has %d bytes, at most %d can be searched for: no name is that long", len(query), MaxQuery)
	}
	if err := checkUTF8("query", query); err != nil {
		return nil, err
	}
	words := splitWords(strings.ToUpper(query))
	if len(words) == 0 {
		return nil, fmt.Errorf("the query %s has no words: pass some of a name's, such as \"greek small alpha\"", quote(query))
	}
	places := s.index.search(words, limit)
	all := make([]Character, len(places))
	for i, at := range places {
		all[i] = newCharacter(s.index.runes[at], s.index.names[at])
	}
	return all, nil
}

// Stats says how much the service holds, what memory that takes, and how many
// calls it has answered.
func (s *Server) Stats() (Stats, error) {
	return Stats{
		Unicode:    runenames.UnicodeVersion,
		Characters: len(s.index.runes),
		Words:      len(s.index.postStarts) - 1,
		HeapBytes:  s.heap,
		Calls:      s.calls.Add(1),
	}, nil
}

// character returns what there is to say of r.
func (s *Server) character(r rune) Character {
	if at, ok := slices.BinarySearch(s.index.runes, r); ok {
		return newCharacter(r, s.index.names[at])
	}
	return newCharacter(r, label(r))
}

// characters returns those in a part of the index.
func (s *Server) characters(from, to int) []Character {
	all := make([]Character, 0, to-from)
	for i := from; i < to; i++ {
		all = append(all, newCharacter(s.index.runes[i], s.index.names[i]))
	}
	return all
}

// checkUTF8 says where a text is broken.
func checkUTF8(what, text string) error {
	for at, r := range text {
		if r != utf8.RuneError {
			continue
		}
		if _, size := utf8.DecodeRuneInString(text[at:]); size == 1 {
			return fmt.Errorf("the %s is not valid UTF-8: byte %d is 0x%02X, which can't stand there", what, at+1, text[at])
		}
	}
	return nil
}

// quote returns a user's text for an error, cut where it is long.
func quote(text string) string {
	if len(text) > maxQuoted {
		text = strings.ToValidUTF8(text[:maxQuoted], "") + "…"
	}
	return fmt.Sprintf("%q", text)
}
