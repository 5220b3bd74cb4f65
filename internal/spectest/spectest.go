// Package spectest lets tests hold the tables of spec.md against constants.
package spectest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Tables returns the rows of spec.md's tables, without their heads, by the line that introduces them: the heading above,
// or the last line of text between the two. root is the way to the repository's top.
func Tables(t testing.TB, root string) map[string][][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "spec.md"))
	if err != nil {
		t.Fatal(err)
	}
	tables := make(map[string][][]string)
	above, heads := "", 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
		case !strings.HasPrefix(line, "|"):
			above, heads = strings.TrimRight(strings.TrimLeft(line, "# "), ":"), 0
		case heads < 2: // the names of the columns, and the rule below them
			heads++
		default:
			tables[above] = append(tables[above], cells(line))
		}
	}
	return tables
}

// Compare holds the first columns of a table against what the code says, row by row.
func Compare(t *testing.T, tables map[string][][]string, above string, want [][]string) {
	t.Helper()
	got := tables[above]
	if len(got) != len(want) {
		t.Errorf("spec.md, %q: %d rows, the code has %d", above, len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		for j, w := range want[i] {
			if j >= len(got[i]) || got[i][j] != w {
				t.Errorf("spec.md, %q, row %d: %q, the code says %q", above, i+1, got[i], want[i])
				break
			}
		}
	}
}

func cells(line string) []string {
	all := strings.Split(strings.Trim(line, "|"), "|")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}
