package gobuild

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"hotline/manager/internal/launch"
	"hotline/manager/internal/procgroup"
)

// goTool runs the go command.
type goTool struct {
	path string
	env  []string
}

// newGoTool finds the go command. Its temporary files go to scratch, which the caller removes.
func newGoTool(scratch string) (*goTool, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return nil, fmt.Errorf("services are built with the go command, and it is not there: %w: install Go from "+
			"https://go.dev/dl, or name ready-built programs with binary", err)
	}
	return &goTool{path: path, env: append(os.Environ(), "GOTMPDIR="+scratch)}, nil
}

// toolError is what the go command wrote when it failed.
type toolError struct{ output string }

func (e *toolError) Error() string { return e.output }

// run runs the go command in dir and returns what it wrote to its standard output. When it fails, what it said on
// standard error is the error, with the paths in it made absolute.
func (g *goTool) run(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, g.path, args...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, g.env, &stdout, &stderr
	procgroup.Own(cmd)
	launch.EndWithThread(cmd, syscall.SIGINT)
	cmd.Cancel = func() error { return procgroup.Interrupt(cmd) } // the go command removes its files then
	cmd.WaitDelay = 5 * time.Second
	runtime.LockOSThread() // see EndWithThread
	err := cmd.Run()
	runtime.UnlockOSThread()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &exit) && stderr.Len() > 0:
		return nil, &toolError{absolutePositions(dir, strings.TrimSpace(stderr.String()))}
	case err != nil:
		return nil, fmt.Errorf("go %s: %w", args[0], err)
	}
	return stdout.Bytes(), nil
}

// position is a file and a line at the beginning of a line of a compiler's output.
var position = regexp.MustCompile(`(?m)^((?:vet: )?)([^\s:][^:\n]*\.(?:go|c|h|s|S|mod|work)):(\d+)`)

// absolutePositions makes the relative paths in a compiler's output, which ran in dir, absolute.
func absolutePositions(dir, output string) string {
	return position.ReplaceAllStringFunc(output, func(match string) string {
		m := position.FindStringSubmatch(match)
		if filepath.IsAbs(m[2]) {
			return match
		}
		return m[1] + filepath.Join(dir, m[2]) + ":" + m[3]
	})
}

// listed is what go list says of a package.
type listed struct {
	Dir, ImportPath, Name string
	GoFiles, CgoFiles     []string
	Standard              bool
	Module                *struct {
		Path, Dir string
		Main      bool
	}
}

// list finds a package, named by import path or as ".", as seen from dir.
func (g *goTool) list(ctx context.Context, dir, pkg string) (*listed, error) {
	out, err := g.run(ctx, dir, "list", "-find", "-json=Dir,ImportPath,Name,GoFiles,CgoFiles,Standard,Module", "--", pkg)
	if err != nil {
		return nil, err
	}
	p := new(listed)
	if err := json.Unmarshal(out, p); err != nil {
		return nil, fmt.Errorf("go list %s: %w", pkg, err)
	}
	return p, nil
}

// mainModule returns the directory of the module that dir is in.
func (g *goTool) mainModule(ctx context.Context, dir string) (string, error) {
	out, err := g.run(ctx, dir, "env", "GOMOD")
	if err != nil {
		return "", err
	}
	file := strings.TrimSpace(string(out))
	if file == "" || file == os.DevNull {
		return "", fmt.Errorf("%s is in no Go module: run go mod init there, and go get the package", dir)
	}
	return filepath.Dir(file), nil
}
