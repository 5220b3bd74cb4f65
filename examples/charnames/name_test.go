package charnames_test

import (
	"math"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/runenames"

	"hotline/examples/charnames"
)

func TestName(t *testing.T) {
	for _, c := range []struct {
		r    rune
		want string
	}{
		{' ', "SPACE"},
		{'A', "LATIN CAPITAL LETTER A"},
		{'α', "GREEK SMALL LETTER ALPHA"},
		{0xFFFD, "REPLACEMENT CHARACTER"},
		{'€', "EURO SIGN"},
		{0x1F600, "GRINNING FACE"},
		{0x3400, "CJK UNIFIED IDEOGRAPH-3400"},
		{0x4E00, "CJK UNIFIED IDEOGRAPH-4E00"},
		{0x20000, "CJK UNIFIED IDEOGRAPH-20000"},
		{0xF900, "CJK COMPATIBILITY IDEOGRAPH-F900"},
		{0x17000, "TANGUT IDEOGRAPH-17000"},
		{0x18D00, "TANGUT IDEOGRAPH-18D00"},
		{0xAC00, "HANGUL SYLLABLE GA"},
		{0xD4DB, "HANGUL SYLLABLE PWILH"}, // the example of section 3.12
		{0xD7A3, "HANGUL SYLLABLE HIH"},
		{0x110B, "HANGUL CHOSEONG IEUNG"},
		{0xE0001, "LANGUAGE TAG"},
	} {
		if got, err := names(t).Name(c.r); got != c.want || err != nil {
			t.Errorf("Name(%U): got %q, %v, want %q", c.r, got, err, c.want)
		}
	}
}

func TestNameOfWhatHasNone(t *testing.T) {
	for _, c := range []struct {
		r    rune
		want string
	}{
		{0x00, "U+0000 has no name: it is a control character"},
		{'\n', `"<control>"`},
		{0x9F, "control character"},
		{0x0378, "U+0378 has no name: it is not assigned in Unicode " + runenames.UnicodeVersion},
		{0xD7A4, "not assigned"},
		{0xD800, "surrogate"},
		{0xDFFF, "surrogate"},
		{0xE000, "private use"},
		{0x10FFFD, "private use"},
		{0xFDD0, "noncharacter"},
		{0x10FFFF, "noncharacter"},
		{0x110000, "1114112 is no code point"},
		{-1, "-1 is no code point"},
		{math.MaxInt32, "no code point"},
	} {
		name, err := names(t).Name(c.r)
		if name != "" || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Name(%d): got %q, %v, want an error with %q", c.r, name, err, c.want)
		}
	}
}

func TestEveryCharacterIsFoundByItsName(t *testing.T) {
	found := 0
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if runenames.Name(r) == "" || unicode.In(r, unicode.Cc, unicode.Co, unicode.Cs) {
			continue // TestNameOfWhatHasNone has some
		}
		name, err := names(t).Name(r)
		if err != nil {
			t.Errorf("Name(%U): %v", r, err)
		}
		found++
		if c, err := names(t).Find(name); err != nil || c.Char != string(r) {
			t.Errorf("Find(%q): got %v, %v, want %U", name, c, err, r)
		}
	}
	stats, err := names(t).Stats()
	if err != nil || stats.Characters != found || stats.Unicode != runenames.UnicodeVersion {
		t.Errorf("Stats(): got %+v, %v, want %d characters", stats, err, found)
	}
}

func TestFind(t *testing.T) {
	want := charnames.Character{Char: "π", Code: "U+03C0", Name: "GREEK SMALL LETTER PI"}
	for _, name := range []string{"GREEK SMALL LETTER PI", "greek small letter pi", "  Greek  small\tletter pi\n"} {
		if got, err := names(t).Find(name); got != want || err != nil {
			t.Errorf("Find(%q): got %v, %v, want %v", name, got, err, want)
		}
	}
	for name, want := range map[string]string{
		"":                         "the name is empty",
		" \t":                      "the name is empty",
		"<control>":                "only a label",
		"greek small letter":       "Search finds names",
		"hangul jungseong o e":     "Search finds names", // O-E and OE are two
		"\xff":                     `no character is named "\xff"`,
		strings.Repeat("α", 10000): "…",
	} {
		if got, err := names(t).Find(name); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 200 {
			t.Errorf("Find(%.40q): got %v, %v, want a short error with %q", name, got, err, want)
		}
	}
}
