package charnames

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/runenames"
)

// nameOf returns the name of a character, or "" for a code point that has none.
func nameOf(r rune) string {
	name := runenames.Name(r)
	if !strings.HasPrefix(name, "<") {
		return name
	}
	switch { // the database names the range; the rules for its characters are in section 4.8 of the standard
	case name == "<Hangul Syllable>":
		return hangulName(r)
	case strings.HasPrefix(name, "<CJK Ideograph"):
		return fmt.Sprintf("CJK UNIFIED IDEOGRAPH-%04X", r)
	case strings.HasPrefix(name, "<Tangut Ideograph"):
		return fmt.Sprintf("TANGUT IDEOGRAPH-%04X", r)
	}
	return ""
}

// The parts of a Hangul syllable, by the short names of their letters (section 3.12).
var (
	hangulLeads  = [...]string{"G", "GG", "N", "D", "DD", "R", "M", "B", "BB", "S", "SS", "", "J", "JJ", "C", "K", "T", "P", "H"}
	hangulVowels = [...]string{"A", "AE", "YA", "YAE", "EO", "E", "YEO", "YE", "O", "WA", "WAE", "OE", "YO", "U", "WEO", "WE", "WI", "YU", "EU", "YI", "I"}
	hangulTails  = [...]string{"", "G", "GG", "GS", "N", "NJ", "NH", "D", "L", "LG", "LM", "LB", "LS", "LT", "LP", "LH", "M", "B", "BS", "S", "SS", "NG", "J", "C", "K", "T", "P", "H"}
)

// hangulName composes the name of a syllable: leading consonant, vowel, trailing consonant.
func hangulName(r rune) string {
	const first = 0xAC00
	n := int(r - first)
	n, tail := n/len(hangulTails), n%len(hangulTails)
	lead, vowel := n/len(hangulVowels), n%len(hangulVowels)
	return "HANGUL SYLLABLE " + hangulLeads[lead] + hangulVowels[vowel] + hangulTails[tail]
}

// checkCodePoint reports that r is outside of Unicode.
func checkCodePoint(r rune) error {
	if r < 0 || r > unicode.MaxRune {
		return fmt.Errorf("%d is no code point: these go from 0 to %d (U+10FFFF)", r, unicode.MaxRune)
	}
	return nil
}

// label returns what the standard writes in place of a name for a code point that has none.
func label(r rune) string {
	kind, _ := namelessness(r)
	return fmt.Sprintf("<%s-%04X>", kind, r)
}

// noName says why there is no name for r.
func noName(r rune) error {
	if err := checkCodePoint(r); err != nil {
		return err
	}
	_, why := namelessness(r)
	return fmt.Errorf("%U has no name: it is %s", r, why)
}

// namelessness returns the kind of a code point without a name, and what that means.
func namelessness(r rune) (kind, meaning string) {
	switch {
	case unicode.Is(unicode.Cc, r):
		return "control", `a control character, which Unicode calls "<control>" like the other 64`
	case unicode.Is(unicode.Co, r):
		return "private-use", "for private use, where everybody gives names of their own"
	case unicode.Is(unicode.Cs, r):
		return "surrogate", "a surrogate, half of a character in UTF-16 and none by itself"
	case unicode.Is(unicode.Noncharacter_Code_Point, r):
		return "noncharacter", "a noncharacter, which will never be assigned"
	}
	return "reserved", "not assigned in Unicode " + runenames.UnicodeVersion
}
