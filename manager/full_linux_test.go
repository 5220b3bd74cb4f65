package manager

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hotline"
	"hotline/internal/fulldisk"
	"hotline/internal/logs"
	"hotline/internal/wait"
)

// A disk for logs that is full holds nobody up: the worker answers, what is lost is counted and said, and the manager stops as ever.
func TestFullDisk(t *testing.T) {
	fulldisk.Run(t, "256k", func(dir string) {
		l := newLab(t)
		r := l.run(l.config("[defaults]\nlog_dir = %s\n[one]\nbinary = %s\n", dir, l.program("work", "work", "a")), Options{})
		r.until("ready", isReady)
		ctx := t.Context()
		var c workClient
		if err := hotline.Connect(ctx, &c); err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		const lines = 5000
		for round := 1; round <= 2; round++ {
			before := r.Status()[0].LogLost
			if _, err := c.Say(ctx, lines); err != nil {
				t.Fatal(err)
			}
			if got, err := c.Add(ctx, 1); got != 2 || err != nil {
				t.Errorf("a call while the disk is full: got %d, %v", got, err)
			}
			wait.Until(t, "all lines to be written or lost", func() bool {
				text, err := os.ReadFile(filepath.Join(dir, "one.log"))
				if err != nil {
					t.Fatal(err)
				}
				written := strings.Count(string(text), `"line `)
				return written+r.Status()[0].LogLost == round*lines
			})
			lost := r.Status()[0].LogLost
			if total, _ := r.totalsOf("one", "Say"); lost <= before || total.LinesLost != lost {
				t.Errorf("round %d: %d lines are lost after %d, and %d in the totals", round, lost, before, total.LinesLost)
			}
		}
		r.out.Has(t, "one: the log has a problem: write "+filepath.Join(dir, "one.log")+": no space left on device")
		if err := r.Restart(ctx, "one", nil); err != nil {
			t.Error(err)
		}
		if got, err := c.Add(ctx, 2); got != 3 || err != nil {
			t.Errorf("a call of the next worker: got %d, %v", got, err)
		}
		pid := r.Status()[0].Workers[0].PID
		if err := r.stop(); err != nil || !gone(pid) {
			t.Errorf("stop: %v, the worker has ended: %v", err, gone(pid))
		}
		l.isClean()
		text, err := os.ReadFile(filepath.Join(dir, "one.log"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if r := logs.Parse([]byte(strings.TrimSuffix(line, "\n"))); !r.Readable || !strings.HasSuffix(line, "\n") {
				t.Errorf("one.log has the line %.200q", line)
			}
		}
	})
}
