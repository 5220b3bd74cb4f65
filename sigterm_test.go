package hotline_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"hotline"
	"hotline/internal/wait"
	"hotline/registry"
)

// termEnv makes this test binary a program as its users write it: hotline.Serve, and nothing more. It writes a line when a call
// of Hold is under way, and lets that go when it has read a byte. It has the number termID.
const (
	termEnv = "HOTLINE_TEST_TERM"
	termID  = 100
)

func termMain() {
	s := &crewServer{id: termID, letGo: make(chan struct{})}
	go func() {
		for s.holding.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		fmt.Println("holding")
		_, _ = os.Stdin.Read(make([]byte, 1)) // the end of the input will do too
		close(s.letGo)
	}()
	if err := hotline.Serve(context.Background(), s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestServeDrainsOnSIGTERM: a program that Serve runs in, and that is told to end, lets the call under way end with its result, takes
// no other, and ends well. A client of it that has another instance sees no error.
func TestServeDrainsOnSIGTERM(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no signals")
	}
	dir, crew := tempDir(t), newCrew(1)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := exec.Command(exe)
	program.Env = append(os.Environ(), termEnv+"=1", "HOTLINE_DIR="+dir)
	stdin, err := program.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = program.Process.Kill() // it has ended, where all went well
		_ = program.Wait()
	})
	waitReady(t, dir, 1, make(chan error, 1))
	c := connectCrew(t, &hotline.Dialer{Dir: dir})
	held := make(chan int, 1)
	go func() {
		id, err := c.Hold(context.Background())
		if err != nil {
			t.Errorf("Hold: %v", err)
		}
		held <- id
	}()
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("the program wrote %q: %v", line, err)
	}
	start(t, dir, 2, crew[0])
	stop := keepCalling(t, c, 8)
	wait.Until(t, "links to both instances", func() bool { return hotline.Links(c.Client()) == 2 })
	if err := program.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	d, err := registry.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "an instance that drains", func() bool {
		all, err := d.List()
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(all, func(i registry.Instance) bool { return i.State == registry.Draining })
	})
	wait.Until(t, "one link for new calls", func() bool { return hotline.Links(c.Client()) == 1 })
	if id, err := c.Who(t.Context()); err != nil || id != crew[0].id {
		t.Errorf("Who while the program drains: got %d, %v, want %d", id, err, crew[0].id)
	}
	if _, err := stdin.Write([]byte{'.'}); err != nil {
		t.Fatal(err)
	}
	if id := wait.Receive(t, "the end of the call under way", held); id != termID {
		t.Errorf("Hold: got %d, want %d", id, termID)
	}
	wait.Return(t, "the end of the program", func() { err = program.Wait() })
	if err != nil {
		t.Errorf("the program: %v", err)
	}
	stop()
}
