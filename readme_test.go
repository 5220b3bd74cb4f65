package hotline_test

import (
	"encoding/json"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var snippet = regexp.MustCompile("(?s)```go\n(.*?)```")

// The Go code of README is formatted and compiles, as one program.
func TestReadmeCompiles(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	program := "package main\n\nimport (\n\t\"context\"\n\t\"errors\"\n\t\"fmt\"\n\t\"io\"\n\t\"iter\"\n\t\"log\"\n\n\t\"hotline\"\n)\n\n"
	for _, m := range snippet.FindAllStringSubmatch(string(readme), -1) {
		formatted, err := format.Source([]byte(m[1]))
		if err != nil {
			t.Fatalf("%v in:\n%s", err, m[1])
		}
		if string(formatted) != m[1] {
			t.Errorf("not formatted, want:\n%s", formatted)
		}
		program += m[1] + "\n"
	}
	program += "func main() {\n\tserve()\n\t_ = call(context.Background())\n\t_ = follow(context.Background(), new(Logs))\n}\n"
	compile(t, program)
}

// compile builds a program that may import this module, without writing into it.
func compile(t *testing.T, program string) {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(here, "internal", "readme", "main.go"): source}})
	if err != nil {
		t.Fatal(err)
	}
	overlayFile := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "build", "-overlay", overlayFile, "-o", filepath.Join(dir, "program"), "./internal/readme").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s\nin:\n%s", err, out, strings.TrimSpace(program))
	}
}
