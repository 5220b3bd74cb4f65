//go:build unix

package worker_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"hotline/internal/worker"
)

func TestMain(m *testing.M) {
	switch os.Getenv("WORKER_TEST_HELPER") {
	case "worker":
		exit(beWorker())
	case "manager":
		exit(beManager())
	}
	goleak.VerifyTestMain(m)
}

func exit(err error) {
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

var echo = []worker.Description{{
	Type: "echo.Server", Name: "echo_serv", Port: "5555", Version: "1.0.0",
	Methods: []worker.Method{{Name: "Sum", Signature: "Sum(a, b int) (int, error)", Codec: "msgpack", Doc: "Sum adds.\n"}},
}}

// beWorker says that it is ready, shows what a program that it starts inherits, and ends with the manager.
func beWorker() error {
	s, err := worker.FromEnv()
	if err != nil {
		return err
	}
	if s == nil {
		return errors.New("no settings")
	}
	child := exec.Command("sh", "-c", `echo "env <$`+worker.Env+`>"; ls /dev/fd/3 /dev/fd/4 2>/dev/null; true`)
	child.Stdout = os.Stdout
	if err := child.Run(); err != nil {
		return err
	}
	if err := s.Ready(echo, []string{"tcp://127.0.0.1:5555"}); err != nil {
		return err
	}
	fmt.Println("serving")
	<-s.Done()
	fmt.Println("stopped")
	return nil
}

// beManager starts a worker that writes to this process's output, and never ends by itself.
func beManager() error {
	control, _, err := startWorker(os.Stdout)
	if err != nil {
		return err
	}
	if _, err := control.Next(); err != nil {
		return err
	}
	fmt.Println("ready")
	_, err = control.Next() // there is no other message
	return err
}

func startWorker(out io.Writer) (*worker.Control, *exec.Cmd, error) {
	control, theirs, err := worker.Pair()
	if err != nil {
		return nil, nil, err
	}
	defer theirs.Close()
	settings, err := (&worker.Settings{Mode: worker.Run, ControlFD: 3, Listeners: map[string]int{"5555": 4}}).Environ()
	if err != nil {
		return nil, nil, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, nil, err
	}
	defer null.Close()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "WORKER_TEST_HELPER=worker", settings)
	cmd.ExtraFiles = []*os.File{theirs, null}
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	return control, cmd, cmd.Start()
}

func TestWorkerProcess(t *testing.T) {
	out := new(strings.Builder)
	control, cmd, err := startWorker(out)
	if err != nil {
		t.Fatal(err)
	}
	m, err := control.Next()
	if err != nil {
		t.Fatal(err)
	}
	want := &worker.Message{Event: worker.IsReady, Services: echo, Addresses: []string{"tcp://127.0.0.1:5555"}}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("Next, -want +got:\n%s", diff)
	}
	if err := control.Close(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if got, want := out.String(), "env <>\nserving\nstopped\n"; got != want {
		t.Errorf("the worker printed %q, want %q", got, want)
	}
	if err := control.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, err := control.Next(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Next after Close: got %v", err)
	}
}

func TestWorkerEndsWhenManagerIsKilled(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.SetReadDeadline(time.Now().Add(30 * time.Second))
	manager := exec.Command(os.Args[0])
	manager.Env = append(os.Environ(), "WORKER_TEST_HELPER=manager")
	manager.Stdout, manager.Stderr = w, os.Stderr
	if err := manager.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	out := bufio.NewScanner(r)
	for out.Scan() && out.Text() != "ready" {
	}
	manager.Process.Kill()
	manager.Wait()
	var rest []string
	for out.Scan() { // until the worker, which has the other copies of the pipe, has ended
		rest = append(rest, out.Text())
	}
	if err := out.Err(); err != nil {
		t.Fatalf("the worker did not end: %v", err)
	}
	if got := strings.Join(rest, "\n"); !strings.HasSuffix(got, "stopped") {
		t.Errorf("the worker printed %q, want stopped at last", got)
	}
}

func TestNextWhenWorkerDies(t *testing.T) {
	control, cmd, err := startWorker(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	if _, err := control.Next(); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	if _, err := control.Next(); err != io.EOF {
		t.Errorf("Next: got %v, want io.EOF", err)
	}
}

func TestDescribe(t *testing.T) {
	control, s := adopt(t, worker.Describe)
	if again, err := worker.FromEnv(); again != nil || err != nil {
		t.Errorf("second FromEnv: got %v, %v", again, err)
	}
	if err := s.Describe(echo); err != nil {
		t.Fatal(err)
	}
	m, err := control.Next()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&worker.Message{Event: worker.Described, Services: echo}, m); diff != "" {
		t.Errorf("Next, -want +got:\n%s", diff)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := control.Next(); err != io.EOF {
		t.Errorf("Next after the worker's Close: got %v, want io.EOF", err)
	}
}

func TestMessageTooLarge(t *testing.T) {
	_, s := adopt(t, worker.Run)
	defer s.Close()
	large := []worker.Description{{Type: strings.Repeat("x", worker.MaxMessage)}}
	if err := s.Ready(large, nil); err == nil || !strings.Contains(err.Error(), "the limit is") {
		t.Errorf("Ready: got %v", err)
	}
}

// adopt makes this process its own worker.
func adopt(t *testing.T, mode worker.Mode) (*worker.Control, *worker.Settings) {
	t.Helper()
	control, theirs, err := worker.Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { control.Close() })
	defer theirs.Close()
	fd, err := unix.Dup(int(theirs.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	text, err := (&worker.Settings{Mode: mode, ControlFD: fd}).Environ()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(worker.Env, strings.TrimPrefix(text, worker.Env+"="))
	s, err := worker.FromEnv()
	if err != nil {
		t.Fatal(err)
	}
	return control, s
}

func TestFromEnvRefuses(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", "unset it"},
		{"1", "unset it"},
		{"{", "unset it"},
		{`{"mode":"run","control_fd":"3"}`, "unset it"},
		{`{"mode":"dance","control_fd":3}`, "wants mode"},
		{`{"control_fd":3}`, "wants mode"},
		{`{"mode":"run"}`, "descriptor 0 was not inherited"},
		{`{"mode":"run","control_fd":-1}`, "descriptor -1 was not inherited"},
		{`{"mode":"run","control_fd":1000000}`, "descriptor 1000000 was not inherited"},
		{`{"mode":"run","control_fd":1}`, "descriptor 1 was not inherited"},
	}
	for _, test := range tests {
		t.Setenv(worker.Env, test.text)
		if s, err := worker.FromEnv(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, %v", test.text, s, err)
		}
		if _, has := os.LookupEnv(worker.Env); has {
			t.Errorf("%q: the variable is still there", test.text)
		}
	}
	os.Unsetenv(worker.Env)
	if s, err := worker.FromEnv(); s != nil || err != nil {
		t.Errorf("without a manager: got %v, %v", s, err)
	}
}
