//go:build unix

package manager

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotline"
	"hotline/internal/wait"
)

// module makes the lab's directory a Go module with the given files, which uses the hotline that is tested. Nothing
// is downloaded: what that needs is in the module cache, since this test was compiled. What the go command says of packages
// that do not exist is another matter: it looks for them in modules that may not be there, and speaks of those. Programs are
// linked without what only debuggers read, which takes time.
func (l *lab) module(files map[string]string) {
	l.t.Helper()
	l.t.Setenv("GOFLAGS", "-mod=readonly -ldflags=-w")
	l.t.Setenv("GOPROXY", "off")
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		l.t.Fatal(err)
	}
	home := strings.TrimSpace(string(out))
	mod, err := os.ReadFile(filepath.Join(home, "go.mod"))
	if err != nil {
		l.t.Fatal(err)
	}
	sum, err := os.ReadFile(filepath.Join(home, "go.sum"))
	if err != nil {
		l.t.Fatal(err)
	}
	all := map[string]string{
		"go.mod": strings.Replace(string(mod), "module hotline", "module user.example/app", 1) +
			"\nrequire hotline v0.0.0\nreplace hotline => " + home + "\n",
		"go.sum": string(sum),
	}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		path := filepath.Join(l.path, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			l.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			l.t.Fatal(err)
		}
	}
}

// tree returns the names of the files in the lab, but those in its own directories.
func (l *lab) tree() (names []string) {
	l.t.Helper()
	err := filepath.WalkDir(l.path, func(path string, d fs.DirEntry, err error) error {
		if d.IsDir() && (d.Name() == "tmp" || d.Name() == "run") {
			return fs.SkipDir
		}
		names = append(names, path)
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return names
}

const echoSource = `package echo

import (
	"context"
	"errors"
	"os"

	rpc "hotline"
	"user.example/app/api"
)

// base is embedded in its turn.
type base struct {
	rpc.ServerMethodsBase ` + "`port:\"%s\" name:\"echo_serv\" version:\"1.2.0\"`" + `
}

type Server struct {
	base
	api.Methods
	made bool
}

// NewServer notes that it was called.
func NewServer() (*Server, error) {
	f, err := os.OpenFile("made.txt", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	f.WriteString("made\n")
	return &Server{made: true}, nil
}

// Sum adds two numbers.
func (s *Server) Sum(a, b int) int { return a + b }

func (s *Server) PID(ctx context.Context) (int, error) {
	if !s.made {
		return 0, errors.New("not made by NewServer")
	}
	return os.Getpid(), nil
}
`

const apiSource = `package api

import "context"

type Methods struct {
	// PID returns the number of the
	// worker's process.
	PID func(ctx context.Context) (int, error) ` + "`codec:\"json\"`" + `
	Sum func(ctx context.Context, a, b int) (int, error) // is told where it is written
}
`

const secretSource = `package secret

import "hotline"

type Secret struct {
	hotline.ServerMethodsBase ` + "`port:\"word\" name:\"secret\"`" + `
}

func (*Secret) Tell() string { return "nothing" }

// NewSecret has another form than a constructor that is used.
func NewSecret(word string) *Secret { panic(word) }
`

// Services of a user's module are built, served, called, killed, called again and stopped.
func TestBuiltServices(t *testing.T) {
	l := newLab(t)
	port := freePort(t)
	l.module(map[string]string{
		"echo/echo.go": fmt.Sprintf(echoSource, port), "api/api.go": apiSource, "deep/internal/secret/secret.go": secretSource,
	})
	config := l.config("[Server]\nimport_from = ./echo\ntcp_bind = 127.0.0.1\nmin_proc_num = 2\n" +
		"[hidden]\nimport_from = user.example/app/deep/internal/secret\ntype = Secret\n")
	before := l.tree()
	r := l.run(config, Options{})
	r.until("all ready", isReady)
	r.out.Has(t, "building Server from ./echo ...", "hidden: note: func NewSecret is not used",
		"Server: echo_serv 1.2.0 is ready on port "+port+", 2 workers", "hidden: secret is ready on port word, 1 worker")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	pid := func(address string) (pid int) {
		t.Helper()
		c, err := hotline.Dial(ctx, "echo_serv", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Call(ctx, "PID", &pid); err != nil {
			t.Fatal(err)
		}
		docs := map[string]string{}
		for _, m := range c.Service().Methods {
			docs[m.Name] = m.Doc
		}
		want := map[string]string{"PID": "PID returns the number of the\nworker's process.", "Sum": "Sum adds two numbers."}
		if diff := cmp.Diff(want, docs); diff != "" {
			t.Errorf("doc comments, -want +got:\n%s", diff)
		}
		return pid
	}
	workers := r.Status()[0].Workers
	if got := pid("unix://"); got != workers[0].PID && got != workers[1].PID {
		t.Errorf("got an answer of pid %d, want one of %+v", got, workers)
	}
	tcp := pid("tcp://127.0.0.1:" + port)
	syscall.Kill(tcp, syscall.SIGKILL)
	if again := pid("tcp://127.0.0.1:" + port); again == tcp {
		t.Errorf("the killed worker, %d, answers", tcp)
	}
	wait.Until(t, "all ready again", func() bool {
		workers := r.Status()[0].Workers
		return isReady(&workers[0]) && isReady(&workers[1]) && workers[0].Restarts+workers[1].Restarts == 1
	})
	var word string
	c, err := hotline.Dial(ctx, "secret", "unix://")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Call(ctx, "Tell", &word); err != nil || word != "nothing" {
		t.Errorf("Tell: got %q, %v", word, err)
	}
	c.Close()
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	// The constructor ran once for each process that served, and in none that only described.
	made, err := os.ReadFile(filepath.Join(l.path, "made.txt"))
	if err != nil || string(made) != "made\nmade\nmade\n" {
		t.Errorf("made.txt: got %q, %v, want three lines", made, err)
	}
	os.Remove(filepath.Join(l.path, "made.txt"))
	if diff := cmp.Diff(before, l.tree()); diff != "" {
		t.Errorf("the user's tree, -before +after:\n%s", diff)
	}
	l.isClean()
}

// Each mistake is told with section and line, all at once, and nothing is started.
func TestServicesThatCanNotBeBuilt(t *testing.T) {
	const two = `package two
import "hotline"
type First struct { hotline.ServerMethodsBase }
type Second struct { *First }
type Generic[T any] struct { hotline.ServerMethodsBase }
type Plain struct { Name string }
type Word string
type hidden struct { hotline.ServerMethodsBase }
`
	l := newLab(t)
	l.module(map[string]string{
		"two/two.go":           two,
		"plain/plain.go":       "package plain\ntype Server struct{}\n",
		"program/main.go":      "package main\nimport \"hotline\"\ntype Server struct { hotline.ServerMethodsBase }\nfunc main() {}\n",
		"syntax/syntax.go":     "package syntax\nfunc {\n",
		"types/types.go":       "package types\nimport \"hotline\"\ntype Server struct { hotline.ServerMethodsBase }\n\nvar x int = \"text\"\n",
		"tags/tags.go":         "package tags\nimport \"hotline\"\ntype Server struct { hotline.ServerMethodsBase `prot:\"1\"` }\n",
		"empty/readme.txt":     "nothing\n",
		"nomod/go.mod":         "module other.example/nomod\ngo 1.26\n",
		"nomod/nomod.go":       "package nomod\nimport \"hotline\"\ntype Server struct { hotline.ServerMethodsBase }\n",
		"constructor/error.go": "package constructor\nimport (\"errors\"; \"hotline\")\ntype Server struct { hotline.ServerMethodsBase `port:\"1\" name:\"a\"` }\nfunc NewServer() (*Server, error) { return nil, errors.New(\"no\") }\nfunc (*Server) Ping() {}\n",
	})
	path := func(name string) string { return filepath.Join(l.path, filepath.FromSlash(name)) }
	sections := []struct {
		section, from string
		want          []string
	}{
		{"Frist", "./two", []string{"package user.example/app/two has no type Frist: its services are First, Second: did you mean First?"}},
		{"Absent", "./two", []string{"has no type Absent: its services are First, Second: set type"}},
		{"Generic", "./two", []string{"has type parameters"}},
		{"Plain", "./two", []string{"type Plain of package user.example/app/two does not embed hotline.ServerMethodsBase: its services are"}},
		{"Word", "./two", []string{"type Word of package user.example/app/two does not embed"}},
		{"Server", "./plain", []string{"type Server of package user.example/app/plain does not embed hotline.ServerMethodsBase: no exported type"}},
		{"Main", "./program\ntype = Server", []string{"is package main, which can't be imported: build it and name the program with binary"}},
		{"Syntax", "./syntax", []string{path("syntax/syntax.go") + ":2:6: "}},
		{"Types", "./types\ntype = Server", []string{"user.example/app/types does not compile:\n", path("types/types.go") + ":5:13: cannot use \"text\""}},
		{"Empty", "./empty", []string{"no Go files in " + path("empty")}},
		{"Elsewhere", "./nomod\ntype = Server", []string{"other.example/nomod does not compile:\n", "package hotline is not in std", "add it to that module's go.mod"}},
		{"Bare", "two\ntype = First", []string{"write import_from = ./two"}},
		{"Unknown", "user.example/app/none\ntype = Server", nil},
		{"Std", "fmt\ntype = Stringer", []string{"type Stringer of package fmt does not embed"}},
	}
	var text strings.Builder
	line := 0
	var want []string
	for _, s := range sections {
		fmt.Fprintf(&text, "[%s]\nimport_from = %s\n", s.section, s.from)
		want = append(want, fmt.Sprintf("service.ini:%d: [%s] import_from: ", line+2, s.section))
		want = append(want, s.want...)
		line += 2 + strings.Count(s.from, "\n")
	}
	got := l.fails(l.config("%s", text.String()))
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("there is no %q in\n%s", w, got)
		}
	}
	// What the program itself says when it is asked what it serves.
	got = l.fails(l.config("[Tags]\nimport_from = ./tags\ntype = Server\n"))
	if !strings.Contains(got, "service.ini:2: [Tags] import_from: the program can't serve (exit status 1)") || !strings.Contains(got, "prot") {
		t.Errorf("got\n%s", got)
	}
	r := l.run(l.config("[Made]\nimport_from = ./constructor\ntype = Server\n"), Options{})
	r.out.Has(t, "Made: worker 1 ended before it was ready (exit status 1):\n    NewServer: no; starting it again")
}

func TestStopWhileBuilding(t *testing.T) {
	l := newLab(t)
	l.module(map[string]string{"echo/echo.go": fmt.Sprintf(echoSource, "5555"), "api/api.go": apiSource})
	r := l.run(l.config("[Server]\nimport_from = ./echo\n"), Options{})
	r.out.Has(t, "building Server")
	if err := r.stop(); err != nil {
		t.Errorf("Run: got %v, want nil", err)
	}
	l.isClean()
}

func TestWithoutGo(t *testing.T) {
	l := newLab(t)
	l.module(map[string]string{"echo/echo.go": fmt.Sprintf(echoSource, "5555"), "api/api.go": apiSource})
	c := l.config("[Server]\nimport_from = ./echo\n")
	t.Setenv("PATH", l.path)
	if got := l.fails(c); !strings.Contains(got, ":2: [Server] import_from: services are built with the go command") {
		t.Errorf("got %s", got)
	}
}
