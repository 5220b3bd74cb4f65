//go:build unix

package manager

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hotline"
	"hotline/internal/wait"
	"hotline/registry"
)

// goFile is beside the programs, and tells the fakes here to go on.
const goFile = "go"

// awaitGo returns when a test has written goFile.
func awaitGo() {
	for {
		if _, err := os.Stat(filepath.Join(filepath.Dir(os.Args[0]), goFile)); err == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// lateServer is a service that takes its time to start.
type lateServer struct {
	hotline.ServerMethodsBase `port:"late" name:"late"`
}

func (*lateServer) Start(context.Context) error {
	fmt.Println("starting")
	awaitGo()
	return nil
}

// Echo returns what it gets.
func (*lateServer) Echo(_ context.Context, data []byte) ([]byte, error) { return data, nil }

// gated returns the addresses of unix sockets that hand connections on to those of a server, but not before the test says so.
func gated(addresses []string) ([]string, error) {
	for i, a := range addresses {
		path, ok := strings.CutPrefix(a, "unix://")
		if !ok {
			continue
		}
		l, err := net.Listen("unix", path+"g")
		if err != nil {
			return nil, err
		}
		addresses[i] = a + "g"
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				fmt.Println("asked")
				awaitGo()
				to, err := net.Dial("unix", path)
				if err != nil {
					c.Close()
					continue
				}
				go func() {
					io.Copy(to, c)
					to.Close()
				}()
				go func() {
					io.Copy(c, to)
					c.Close()
				}()
			}
		}()
	}
	return addresses, nil
}

// A worker is ready when its Start method has returned and a call has been answered, and neither the manager nor the registry
// says so before.
func TestReadyIsWhatAnswers(t *testing.T) {
	for _, c := range []struct {
		what, name, port string
		begun            string // what the worker prints when it is on its way
		registered       bool   // as ready, by then
	}{
		{"late", "late", "late", "starting", false},
		{"gated", "a", "1", "asked", true}, // it said that it is ready, and was asked
	} {
		t.Run(c.what, func(t *testing.T) {
			l := newLab(t)
			r := l.run(l.config("[one]\nbinary = %s\n", l.program(c.what, c.name, c.port)), Options{})
			wait.Until(t, "the worker to be on its way", func() bool {
				text, err := os.ReadFile(filepath.Join(l.path, "run", "logs", "one.log"))
				return err == nil && strings.Contains(string(text), c.begun)
			})
			before := r.Status()[0]
			if w := before.Workers[0]; before.State != Starting || w.State != Starting || len(w.Addresses) > 0 {
				t.Errorf("it is on its way: got %+v", before)
			}
			if got := registeredReady(t, c.name); got != c.registered {
				t.Errorf("it is on its way: registered as ready: got %v", got)
			}
			if out := r.out.String(); strings.Contains(out, "is ready on port") {
				t.Errorf("it is on its way, and was said to be ready:\n%s", out)
			}
			r.must(os.WriteFile(filepath.Join(l.path, goFile), nil, 0o600))
			r.until("ready", isReady)
			r.out.Has(t, "is ready on port "+c.port)
			if !registeredReady(t, c.name) {
				t.Error("it is ready, and not registered as that")
			}
			if w := r.Status()[0].Workers[0]; w.PID != before.Workers[0].PID || w.Restarts != 0 {
				t.Errorf("another process is ready: %+v, before %+v", w, before.Workers[0])
			}
		})
	}
}

// registeredReady reports whether clients find a service's instance that is ready.
func registeredReady(t *testing.T, name string) bool {
	t.Helper()
	dir, err := registry.Open("")
	if err != nil {
		t.Fatal(err)
	}
	all, err := dir.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return len(all) == 1 && all[0].State == registry.Ready
}

// A worker that says that it is ready, and answers no call, is ended when its time to start is over.
func TestReadyThatDoesNotAnswer(t *testing.T) {
	l := newLab(t)
	r := l.run(l.config("[one]\nbinary = %s\nstart_timeout = 1s\n", l.program("gated", "a", "1")),
		Options{RestartMin: time.Millisecond})
	wait.Until(t, "its end", func() bool {
		s := r.Status()
		return len(s) > 0 && s[0].Workers[0].Restarts > 0
	})
	if end := r.Status()[0].LastEnd; !strings.Contains(end, "it said that it is ready, but did not answer within 1s") &&
		!strings.Contains(end, "it was not ready within 1s") {
		t.Errorf("it ended: %s", end)
	}
	if out := r.out.String(); strings.Contains(out, "is ready on port") {
		t.Errorf("it was said to be ready:\n%s", out)
	}
}
