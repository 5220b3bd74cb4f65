package charnames_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"hotline/examples/charnames"
)

func TestDescribe(t *testing.T) {
	got, err := names(t).Describe("e\u0301\r\uE000\u0378\uFFFF\uFFFD각")
	want := []charnames.Character{
		{Char: "e", Code: "U+0065", Name: "LATIN SMALL LETTER E"},
		{Char: "\u0301", Code: "U+0301", Name: "COMBINING ACUTE ACCENT"},
		{Char: "\r", Code: "U+000D", Name: "<control-000D>"},
		{Char: "\uE000", Code: "U+E000", Name: "<private-use-E000>"},
		{Char: "\u0378", Code: "U+0378", Name: "<reserved-0378>"},
		{Char: "\uFFFF", Code: "U+FFFF", Name: "<noncharacter-FFFF>"},
		{Char: "\uFFFD", Code: "U+FFFD", Name: "REPLACEMENT CHARACTER"},
		{Char: "각", Code: "U+AC01", Name: "HANGUL SYLLABLE GAG"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("Describe: %v\n%s", err, diff)
	}
}

func TestDescribeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "the text is empty",
		"ab\xffc":                 "byte 3 is 0xFF",
		"\xed\xa0\x80":            "byte 1 is 0xED", // a surrogate in UTF-8
		"α\xce":                   "byte 3 is 0xCE", // cut off
		strings.Repeat("ά", 1001): "1001 characters, at most 1000",
	} {
		if got, err := names(t).Describe(text); got != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Describe(%.20q): got %v, %v, want an error with %q", text, got, err, want)
		}
	}
	if got, err := names(t).Describe(strings.Repeat("ά", charnames.MaxText)); len(got) != charnames.MaxText || err != nil {
		t.Errorf("Describe of the longest text: got %d characters, %v", len(got), err)
	}
}

func TestRange(t *testing.T) {
	for _, c := range []struct {
		first, last rune
		want        string // the characters
	}{
		{'a', 'a', "a"},
		{'x', '}', "xyz{|}"},
		{0x0370, 0x0379, "\u0370\u0371\u0372\u0373\u0374\u0375\u0376\u0377"}, // 0378 and 0379 are not assigned
		{0x1E, 0x21, " !"},
		{0, 1, ""},
		{0xD7A2, 0xD7B1, "\uD7A2\uD7A3\uD7B0\uD7B1"},
		{unicode.MaxRune - 999, unicode.MaxRune, ""},
	} {
		all, err := names(t).Range(c.first, c.last)
		var got strings.Builder
		for _, r := range all {
			got.WriteString(r.Char)
		}
		if got.String() != c.want || err != nil || all == nil {
			t.Errorf("Range(%U, %U): got %q, %v, want %q", c.first, c.last, got.String(), err, c.want)
		}
	}
}

func TestRangeRefuses(t *testing.T) {
	for _, c := range []struct {
		first, last rune
		want        string
	}{
		{-1, 5, "-1 is no code point"},
		{0, unicode.MaxRune + 1, "1114112 is no code point"},
		{math.MinInt32, math.MaxInt32, "is no code point"},
		{'b', 'a', "from U+0062 to U+0061 is empty"},
		{0, 1000, "has 1001 code points, at most 1000"},
	} {
		if got, err := names(t).Range(c.first, c.last); got != nil || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Range(%d, %d): got %v, %v, want an error with %q", c.first, c.last, got, err, c.want)
		}
	}
}

func TestStats(t *testing.T) {
	before, err := names(t).Stats()
	if err != nil {
		t.Fatal(err)
	}
	if before.HeapBytes < 1<<20 || before.HeapBytes > 1<<28 || before.Words < 10_000 {
		t.Errorf("Stats(): got %+v: that is not what the index takes", before)
	}
	names(t).Name('a')
	names(t).Name(-1) // an error is an answer
	if after, _ := names(t).Stats(); after.Calls != before.Calls+3 {
		t.Errorf("Stats(): got %d calls after 3 more than %d", after.Calls, before.Calls)
	}
}

func chars(all []charnames.Character) []string {
	return slices.Collect(func(yield func(string) bool) {
		for _, c := range all {
			if !yield(c.Char) {
				return
			}
		}
	})
}
