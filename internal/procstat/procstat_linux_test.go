package procstat

import (
	"os"
	"slices"
	"syscall"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Process{
		"17 (sh) S 4 17 17 34816 20 4194304 1\n": {PID: 17, State: 'S', Parent: 4, Group: 17},
		"18 (a) Z 1 (b)) R 5 17 1 0":             {PID: 18, State: 'R', Parent: 5, Group: 17},
		"19 () Z 0 0 0":                          {PID: 19, State: 'Z'},
	} {
		if p, err := parse([]byte(text)); err != nil || p != want {
			t.Errorf("%q: %+v, %v", text, p, err)
		}
	}
	for _, text := range []string{"", "17", "17 (sh", "17 )(", "17 (sh)", "17 (sh) S 4", "17 (sh) S x 4", "x (sh) S 4 4"} {
		if p, err := parse([]byte(text)); err == nil {
			t.Errorf("%q: %+v", text, p)
		}
	}
}

func TestRead(t *testing.T) {
	own, err := Read(os.Getpid())
	want := Process{PID: os.Getpid(), State: own.State, Parent: os.Getppid(), Group: syscall.Getpgrp()}
	if err != nil || own != want || own.Ended() {
		t.Errorf("%+v, %v, want %+v", own, err, want)
	}
	if !slices.ContainsFunc(All(), func(p Process) bool { return p.PID == want.PID && p.Group == want.Group }) {
		t.Error("All does not have the test itself")
	}
	if Stopped(want.PID) || Stopped(1<<30) {
		t.Error("what runs, or what is not there, is said to be stopped")
	}
	if p, err := Read(1 << 30); err == nil {
		t.Errorf("a process with a pid out of range: %+v", p)
	}
}
