// Package calibrate measures what the machine does without any software between: a cache line there and back between
// two processes, and a read of the clock. It drifts on a virtual machine, so it is measured next to everything else.
package calibrate

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Times are what the machine needs, in nanoseconds.
type Times struct {
	Line  float64 // a cache line from one process to another and back
	Clock float64 // a read of the clock
}

// Role makes the program the other process of a measurement, see [Answer].
const Role = "calibrate"

const (
	batches = 64
	trips   = 2000 // of a batch
	pages   = 4096
)

// Measure starts this program as the other process, by command, and measures for some tens of milliseconds. The line's
// time is the tenth percentile of batches: whatever else runs on the machine only adds to it.
func Measure(ctx context.Context, command func(ctx context.Context, role string) *exec.Cmd) (Times, error) {
	fd, err := unix.MemfdCreate("calibrate", unix.MFD_CLOEXEC)
	if err != nil {
		return Times{}, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "calibrate")
	defer f.Close()
	if err := f.Truncate(pages); err != nil {
		return Times{}, err
	}
	l, err := mapLines(f)
	if err != nil {
		return Times{}, err
	}
	defer l.unmap()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := command(ctx, Role)
	cmd.ExtraFiles = []*os.File{f}
	if err := cmd.Start(); err != nil {
		return Times{}, err
	}
	l.measure(ctx)
	took := l.measure(ctx)
	l.stop()
	if err := cmd.Wait(); err != nil {
		return Times{}, fmt.Errorf("the calibration's other process: %w", err)
	}
	if took == 0 {
		return Times{}, fmt.Errorf("the calibration did not end in time: %w", context.Cause(ctx))
	}
	return Times{Line: took, Clock: clock()}, nil
}

// Answer is the other process: it sends back what comes until it is told to stop.
func Answer() error {
	f := os.NewFile(3, "calibrate")
	l, err := mapLines(f)
	if err != nil {
		return err
	}
	defer l.unmap()
	l.answer()
	return nil
}

// measure returns the tenth percentile of the batches, in nanoseconds a trip; 0 where ctx ended first.
func (l *lines) measure(ctx context.Context) float64 {
	var took []float64
	for range batches {
		if ctx.Err() != nil {
			break
		}
		began := time.Now()
		for range trips {
			if !l.trip(ctx) {
				return 0
			}
		}
		took = append(took, float64(time.Since(began).Nanoseconds())/trips)
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)/10]
}

// clock returns what one read of the clock takes.
func clock() float64 {
	epoch := time.Now()
	const reads = 20000
	for range reads {
		_ = time.Since(epoch)
	}
	return float64(time.Since(epoch).Nanoseconds()) / reads
}
