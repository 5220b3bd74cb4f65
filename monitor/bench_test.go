//go:build unix

package monitor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"hotline/internal/wait"
	"hotline/manager"
)

// BenchmarkStatus asks a real manager for the status of 50 workers, by its socket.
func BenchmarkStatus(b *testing.B) {
	workers := 50
	if testing.Short() {
		workers = 2
	}
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	dir := shortDir(b)
	file := filepath.Join(dir, "service.ini")
	text := fmt.Appendf(nil, "[Bench]\nbinary = %s\nmin_proc_num = %d\n", self, workers)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		b.Fatal(err)
	}
	config, err := manager.Load(file)
	if err != nil {
		b.Fatal(err)
	}
	m, err := manager.New(config, &manager.Options{Dir: filepath.Join(dir, "run")})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, m, filepath.Join(dir, "run"), nil) }()
	b.Cleanup(func() {
		cancel()
		if err := wait.Receive(b, "Run to return", ended); err != nil {
			b.Error(err)
		}
	})
	wait.Until(b, "all workers", func() bool {
		s := m.Status()
		return len(s) == 1 && sectionOf(&s[0]).Ready == workers
	})
	c, err := Dial(filepath.Join(dir, "run"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	for b.Loop() {
		if s, err := c.Status(b.Context(), ""); err != nil || len(s.Sections[0].Workers) != workers {
			b.Fatal(s, err)
		}
	}
}
