// Package examples_test runs the examples as a user does: their programs, built and started as processes.
package examples_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// bin is the directory that the programs are built in.
var bin string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "hl")
	if err == nil {
		bin = dir
		err = build()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.RemoveAll(dir)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// build builds the programs, those of an example in a directory of its name.
func build() error {
	for dir, packages := range map[string][]string{
		"":          {"hotline/cmd/hotline"},
		"echo":      {"hotline/examples/echo/server", "hotline/examples/echo/tcpserver", "hotline/examples/echo/client"},
		"stream":    {"hotline/examples/stream/server", "hotline/examples/stream/client"},
		"split":     {"hotline/examples/split/program"},
		"charnames": {"hotline/examples/charnames/server", "hotline/examples/charnames/client", "hotline/examples/charnames/split"},
	} {
		args := append([]string{"build", "-o", filepath.Join(bin, dir) + string(filepath.Separator)}, packages...)
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("go %v: %w\n%s", args, err, out)
		}
	}
	return nil
}

// program returns the path of a program, as in "echo/server".
func program(name string) string {
	path := filepath.Join(bin, filepath.FromSlash(name))
	if filepath.Separator == '\\' {
		path += ".exe"
	}
	return path
}
