package charnames_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode"

	"hotline/examples/charnames"
)

func TestSearch(t *testing.T) {
	for _, c := range []struct {
		query string
		want  string // the first characters
	}{
		{"greek small alpha", "α"},
		{"GREEK SMALL LETTER ALPHA", "α"},
		{"alpha small greek", "α"}, // in any order
		{"euro", "€₠"},             // EURO SIGN, EURO-CURRENCY SIGN
		{"cat face", "🐱"},
		{"snowman", "☃⛇⛄"},
		{"smil", "⌣"}, // SMILE: a beginning
		{"lf", "🧝"},   // ELF: a part
		{"kaaba", "🕋"},
		{"kaab", "𖬚🕋"},
		{"aab", "\u07a7🕋"},
		{"ideograph-4e00", "一🈩𤸀"}, // 4E00 whole, in a longer name, inside of 24E00
		{"4e00", "一🈩𤸀"},
		{"hangul gag", "각"},
		{" \tarrow\n\u00a0upwards ", "↑"},
		{"upwards-arrow", "↑"},
		{"arrow arrow", "↑"},
		{"zero width joiner", "\u200d"},
		{"no such thing", ""},
		{"\"", ""},
		{"ω", ""}, // names have Latin letters only
	} {
		got, err := names(t).Search(c.query, 3)
		if text := strings.Join(chars(got), ""); err != nil || got == nil || !strings.HasPrefix(text, c.want) || c.want == "" && text != "" {
			t.Errorf("Search(%q): got %q, %v, want %q first", c.query, text, err, c.want)
		}
	}
}

func TestSearchRanks(t *testing.T) {
	all, err := names(t).Search("dot", charnames.MaxLimit)
	if err != nil || len(all) != charnames.MaxLimit {
		t.Fatalf("Search: got %d, %v", len(all), err)
	}
	if again, _ := names(t).Search("dot", charnames.MaxLimit); !slices.Equal(all, again) {
		t.Errorf("Search gives another order the second time")
	}
	for n := 1; n <= charnames.MaxLimit; n += 33 {
		if some, _ := names(t).Search("dot", n); !slices.Equal(some, all[:n]) {
			t.Errorf("Search with limit %d does not give the first %d of all", n, n)
		}
	}
}

func TestSearchRefuses(t *testing.T) {
	for _, c := range []struct {
		query string
		limit int
		want  string
	}{
		{"", 1, `the query "" has no words`},
		{" - \n", 1, "has no words"},
		{"a", 0, "limit 0 is out of range: ask for 1 to 100"},
		{"a", -1, "limit -1"},
		{"a", 101, "limit 101"},
		{"greek \xc3", 1, "byte 7 is 0xC3"},
		{strings.Repeat("a", 201), 1, "the query has 201 bytes, at most 200"},
	} {
		if got, err := names(t).Search(c.query, c.limit); got != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Search(%.20q, %d): got %v, %v, want an error with %q", c.query, c.limit, got, err, c.want)
		}
	}
}

// TestSearchAgainstAllNames compares the index with a look at every name, for queries made of parts of names.
func TestSearchAgainstAllNames(t *testing.T) {
	var all []named
	for r := rune(0); r <= unicode.MaxRune; r += charnames.MaxRange {
		some, err := names(t).Range(r, min(r+charnames.MaxRange-1, unicode.MaxRune))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range some {
			all = append(all, named{c, strings.FieldsFunc(c.Name, isSeparator)})
		}
	}
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 10 {
		words := parts(rnd, all[rnd.IntN(len(all))].words)
		query, limit := strings.Join(words, " "), 1+rnd.IntN(charnames.MaxLimit)
		got, err := names(t).Search(query, limit)
		if want := searchAll(all, words, limit); err != nil || !slices.Equal(got, want) {
			t.Errorf("Search(%q, %d), seed %d: got %v, %v, want %v", query, limit, seed, got, err, want)
		}
	}
}

// named is a character with the words of its name.
type named struct {
	charnames.Character
	words []string
}

func isSeparator(r rune) bool { return r == ' ' || r == '-' }

// parts takes some words of a name, and cuts pieces from some of these.
func parts(rnd *rand.Rand, name []string) (words []string) {
	for len(words) == 0 {
		for _, word := range name {
			switch rnd.IntN(4) {
			case 0:
				words = append(words, word)
			case 1:
				words = append(words, word[:1+rnd.IntN(len(word))])
			case 2:
				words = append(words, word[rnd.IntN(len(word)):])
			}
		}
	}
	return words
}

// searchAll is Search without an index.
func searchAll(all []named, words []string, limit int) []charnames.Character {
	scores := make(map[string]int)
	var found []charnames.Character
	for _, c := range all {
		if score, ok := scoreByWords(c.words, words); ok {
			scores[c.Name] = score
			found = append(found, c.Character)
		}
	}
	slices.SortStableFunc(found, func(a, b charnames.Character) int {
		return cmp.Or(scores[a.Name]-scores[b.Name], len(a.Name)-len(b.Name))
	})
	return found[:min(limit, len(found))]
}

func scoreByWords(name, words []string) (score int, ok bool) {
	for _, word := range words {
		const no = 3
		best := no
		for _, w := range name {
			switch {
			case w == word:
				best = 0
			case strings.HasPrefix(w, word):
				best = min(best, 1)
			case strings.Contains(w, word):
				best = min(best, 2)
			}
		}
		if best == no {
			return 0, false
		}
		score += best
	}
	return score, true
}

func BenchmarkSearch(b *testing.B) {
	for _, query := range []string{"greek small alpha", "smil", "arrow", "letter", "cjk ideograph", "a", "no such thing"} {
		b.Run(query, func(b *testing.B) {
			s := names(b)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Search(query, 10); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkName(b *testing.B) {
	s := names(b)
	for b.Loop() {
		if _, err := s.Name('α'); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		if err := new(charnames.Server).Start(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
