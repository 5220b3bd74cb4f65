package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"hotline"
	"hotline/cmd/hotline/testdata/lab"
	"hotline/internal/wait"
	"hotline/registry"
)

// serveVariable makes the test binary a service process: its value is what to bind TCP to, or "none".
const serveVariable = "HOTLINE_TEST_SERVE"

// patience bounds every run of the command, of which some build and link a program, with a cold cache.
const patience = 5 * time.Minute

// binary is the command, built once for all tests.
var binary string

func TestMain(m *testing.M) {
	if bind := os.Getenv(serveVariable); bind != "" {
		os.Exit(serveLab(bind))
	}
	scratch, err := os.MkdirTemp("", "hl")
	if err == nil {
		binary, err = build(scratch)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(scratch)
		os.Exit(code)
	}))
}

func build(dir string) (string, error) {
	name := filepath.Join(dir, "hotline")
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	out, err := exec.Command("go", "build", "-o", name, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return name, nil
}

// serveLab serves the lab until its standard input ends, which is when the test or its process does.
func serveLab(bind string) int {
	quiet := zerolog.Nop()
	srv := &hotline.Server{Logger: &quiet, Docs: map[string]string{"Lab.Sum": "Sum adds two numbers.\nIt is exact."}}
	if bind != "none" {
		srv.TCPBind = bind
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	err := srv.Register(new(lab.Lab))
	if err == nil {
		err = srv.Serve(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// runtimeDir returns a runtime directory of the test's own, with a path that leaves room for the names of sockets.
func runtimeDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// startLab starts a process that serves the lab in dir, and returns it when it is ready.
func startLab(t *testing.T, dir, bind string) registry.Instance {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveVariable+"="+bind, "HOTLINE_DIR="+dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		stdin.Close()
		if err := <-ended; err != nil {
			t.Errorf("the service process: %v", err)
		}
	})
	return waitReady(t, dir, "lab", ended)
}

// waitReady waits for a service to be ready, while its process runs.
func waitReady(t *testing.T, dir, name string, ended chan error) registry.Instance {
	t.Helper()
	d, err := registry.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var found []registry.Instance
	wait.Until(t, name+" to be ready", func() bool {
		if len(ended) > 0 {
			t.Fatalf("the service %s ended before it was ready", name)
		}
		found, err = d.Lookup(name)
		return err == nil && len(found) > 0 && found[0].State == registry.Ready
	})
	return found[0]
}

// outcome is what a run of the command ended with.
type outcome struct {
	stdout, stderr string
	code           int
}

// hotlineIn runs the command with dir as its runtime directory.
func hotlineIn(t *testing.T, dir, stdin string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = append(os.Environ(), "HOTLINE_DIR="+dir)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		t.Fatalf("hotline %q: %v", args, err)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// startIn starts the command with dir as its runtime directory. What it prints can be read when it has been waited for.
func startIn(t *testing.T, dir string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	var output bytes.Buffer
	cmd := exec.Command(binary, args...)
	cmd.Env = append(os.Environ(), "HOTLINE_DIR="+dir)
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, &output
}
