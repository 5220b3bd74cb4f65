package manager

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// Every key is in docs/service-ini.md as the program knows it.
func TestKeysAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/service-ini.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range serviceKeys() {
		change := map[effect]string{onRestart: "replaces the workers", onScale: "adds or drains workers", onSettings: "is heeded"}[k.effect]
		row := fmt.Sprintf("| `%s` | %s | %s |", k.name, strings.ReplaceAll(k.about, "|", "\\|"), change)
		if !strings.Contains(string(text), row+"\n") {
			t.Errorf("docs/service-ini.md has no row\n%s", row)
		}
	}
}
