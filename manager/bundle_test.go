//go:build unix

package manager

import (
	"bytes"
	"context"
	"debug/elf"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"hotline"
	"hotline/internal/wait"
	"hotline/manager/internal/gobuild"
	"hotline/registry"
)

// build builds a file into a directory of the lab, and returns that.
func (l *lab) build(c *Config, dir string, out *wait.Output) string {
	l.t.Helper()
	dir = filepath.Join(l.path, dir)
	if err := Build(context.Background(), c, dir, &BuildOptions{Stdout: out}); err != nil {
		l.t.Fatal(err)
	}
	return dir
}

// A build of services of two modules, one of them in an internal package, and of a ready-made program: it is the same
// twice, static, needs no go command, and serves the same as its sources do, run by the manager of this test or by its own.
func TestBuild(t *testing.T) {
	t.Setenv("CGO_ENABLED", "") // which a developer may have set
	l := newLab(t)
	port := freePort(t)
	l.module(map[string]string{
		"echo/echo.go": fmt.Sprintf(echoSource, port), "api/api.go": apiSource, "deep/internal/secret/secret.go": secretSource,
	})
	mod, err := os.ReadFile(filepath.Join(l.path, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	sum, err := os.ReadFile(filepath.Join(l.path, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(l.path, "other")
	if err := os.Mkdir(other, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"go.mod": strings.Replace(string(mod), "user.example/app", "other.example/mod", 1), "go.sum": string(sum),
		"other.go": "package other\n\nimport \"hotline\"\n\ntype Other struct {\n\thotline.ServerMethodsBase `port:\"other\" name:\"other\"`\n}\n\n" +
			"// Hello greets.\nfunc (*Other) Hello() string { return \"hello\" }\n",
	} {
		if err := os.WriteFile(filepath.Join(other, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	program := l.program("serve", "ready", "5610")
	text := fmt.Sprintf(`; The services.
[defaults]
import_from = ./echo ; of most
log_dir = logs

[Server] # the first
min_proc_num = 2
tcp_bind = 127.0.0.1
[hidden]
import_from=user.example/app/deep/internal/secret
type = Secret
[Other]
import_from = %s
[fake.serve.ready]
binary = %s
`, other, program)
	before := l.tree()
	config := l.config("%s", text)
	out := new(wait.Output)
	one := l.build(config, "one", out)
	two := l.build(config, "two", out)
	out.Has(t, "building Server from ./echo ...", "hidden: note: func NewSecret is not used", "linking hotline-services", "made "+one)
	sameFiles(t, one, two)
	isStatic(t, filepath.Join(one, gobuild.BundleName()))
	ini, err := os.ReadFile(filepath.Join(one, "service.ini"))
	if err != nil {
		t.Fatal(err)
	}
	want := bundleHeader + `the programs are beside this file, and it needs nothing else.
; The services.
[defaults]
; import_from = ./echo ; of most
log_dir = logs

[Server] # the first
binary = hotline-services
min_proc_num = 2
tcp_bind = 127.0.0.1
[hidden]
binary = hotline-services
; import_from=user.example/app/deep/internal/secret
; type = Secret
[Other]
binary = hotline-services
; import_from = ` + other + `
[fake.serve.ready]
binary = fake.serve.ready.5610
; binary = ` + program + "\n"
	if diff := cmp.Diff(want, string(ini)); diff != "" {
		t.Errorf("the file, -want +got:\n%s", diff)
	}
	os.RemoveAll(two)
	t.Setenv("PATH", "/nonexistent")
	l.serveBoth(one, port)
	os.RemoveAll(one)
	os.Remove(filepath.Join(l.path, "service.ini"))
	if diff := cmp.Diff(before, l.tree()); diff != "" {
		t.Errorf("the user's tree, -before +after:\n%s", diff)
	}
	l.isClean()
}

func sameFiles(t *testing.T, one, two string) {
	t.Helper()
	all, err := os.ReadDir(one)
	if err != nil || len(all) != 3 {
		t.Fatalf("got the files %v, %v, want three", all, err)
	}
	for _, f := range all {
		a, err := os.ReadFile(filepath.Join(one, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(two, f.Name()))
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs between two builds, %v", f.Name(), err)
		}
	}
}

func isStatic(t *testing.T, path string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		return
	}
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Errorf("%s needs an interpreter", path)
		}
	}
}

// serveBoth runs a build by a manager of this process, and by its own program.
func (l *lab) serveBoth(dir, port string) {
	t := l.t
	config, err := Load(filepath.Join(dir, "service.ini"))
	if err != nil {
		t.Fatal(err)
	}
	r := l.run(config, Options{})
	r.until("all ready", isReady)
	first := l.services(port)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	cmd := exec.Command(filepath.Join(dir, gobuild.BundleName()), "serve")
	out := new(wait.Output)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.Has(t, "ready: 4 services")
	second := l.services(port)
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Error(err)
	}
	out.Has(t, filepath.Join(dir, "service.ini")+" says what runs already")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("serve: %v\n%s", err, out)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("the services by the manager, and by the program itself:\n%s", diff)
	}
	bad, err := exec.Command(filepath.Join(dir, gobuild.BundleName())).CombinedOutput()
	if err == nil || !strings.Contains(string(bad), "usage: hotline-services serve") {
		t.Errorf("without arguments: got %v, %s", err, bad)
	}
}

// services calls the services, and returns what they are.
func (l *lab) services(port string) map[string][]string {
	t := l.t
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	found := map[string][]string{}
	for _, s := range []struct{ name, address, method, want string }{
		{"echo_serv", "tcp://127.0.0.1:" + port, "Sum", "5"}, {"secret", "unix://", "Tell", "nothing"}, {"other", "auto://", "Hello", "hello"},
	} {
		c, err := hotline.Dial(ctx, s.name, s.address)
		if err != nil {
			t.Fatal(err)
		}
		var got any
		if s.method == "Sum" {
			err = c.Call(ctx, s.method, &got, 2, 3)
		} else {
			err = c.Call(ctx, s.method, &got)
		}
		if err != nil || fmt.Sprint(got) != s.want {
			t.Errorf("%s of %s: got %v, %v, want %s", s.method, s.name, got, err, s.want)
		}
		for _, m := range c.Service().Methods {
			found[s.name] = append(found[s.name], m.Signature+" // "+m.Doc)
		}
		c.Close()
	}
	d, err := registry.Open("")
	if err != nil {
		t.Fatal(err)
	}
	all, err := d.Lookup("echo_serv")
	if err != nil || len(all) != 2 {
		t.Errorf("echo_serv has the instances %v, %v, want two", all, err)
	}
	return found
}

// What does not compile is said as the compiler says it, with the line of its section; what stands in the directory is
// not written over; nothing is left.
func TestBuildsThatFail(t *testing.T) {
	t.Setenv("CGO_ENABLED", "")
	l := newLab(t)
	l.module(map[string]string{
		"good/good.go":   "package good\nimport \"hotline\"\ntype Good struct { hotline.ServerMethodsBase `port:\"good\" name:\"good\"` }\n",
		"types/types.go": "package types\nimport \"hotline\"\ntype Server struct { hotline.ServerMethodsBase }\n\nvar x int = \"text\"\n",
		"clib/clib.go":   "package clib\n// int one() { return 1; }\nimport \"C\"\nfunc One() int { return int(C.one()) }\n",
		"cgo/cgo.go":     "package cgo\nimport (\"hotline\"; \"user.example/app/clib\")\ntype Server struct { hotline.ServerMethodsBase }\nvar x = clib.One()\n",
		"held/held.ini":  "",
	})
	out := filepath.Join(l.path, "out")
	fails := func(c *Config, dir string, wants ...string) {
		t.Helper()
		err := Build(context.Background(), c, dir, nil)
		for _, want := range wants {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v\nwant %s", err, want)
			}
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s was made", out)
		}
	}
	fails(l.config("[Good]\nimport_from = ./good\n[Types]\nimport_from = ./types\ntype = Server\n[Cgo]\nimport_from = ./cgo\ntype = Server\n"+
		"[Frist]\nimport_from = ./good\n"), out, "service.ini:10: [Frist] import_from: package user.example/app/good has no type Frist")
	fails(l.config("[Good]\nimport_from = ./good\n[Types]\nimport_from = ./types\ntype = Server\n[Cgo]\nimport_from = ./cgo\ntype = Server\n"), out,
		"service.ini:4: [Types] import_from: user.example/app/types does not compile:\n", filepath.Join(l.path, "types/types.go")+":5:13: cannot use \"text\"",
		"service.ini:7: [Cgo] import_from: user.example/app/cgo does not compile:\n", "user.example/app/clib uses cgo, which a static program can't have: set CGO_ENABLED=1")
	fails(l.config("[Good]\nimport_from = ./good\n"), l.path, "service.ini is there, and was not made by a build: name another directory with -o")
	t.Setenv("PATH", "/nonexistent")
	fails(l.config("[Good]\nimport_from = ./good\n"), out, "services are built with the go command, and it is not there")
	l.isClean()
}

var crossBuild = flag.Bool("crossbuild", false, "build services for another system too, which compiles much of Go's library first")

// Builds for other systems need nothing but the environment.
func TestCrossBuild(t *testing.T) {
	if !*crossBuild {
		t.Skip("run with -crossbuild")
	}
	l := newLab(t)
	l.module(map[string]string{
		"good/good.go": "package good\nimport \"hotline\"\ntype Good struct { hotline.ServerMethodsBase `port:\"good\" name:\"good\"` }\n",
	})
	t.Setenv("GOOS", "linux")
	t.Setenv("GOARCH", "arm64")
	dir := l.build(l.config("[Good]\nimport_from = ./good\n"), "arm", new(wait.Output))
	f, err := elf.Open(filepath.Join(dir, gobuild.BundleName()))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Machine != elf.EM_AARCH64 {
		t.Errorf("got a program for %v", f.Machine)
	}
}

// A worker of a bundle that is still in its constructor ends as it is told to stop, and need not be killed.
func TestStopInConstructor(t *testing.T) {
	l := newLab(t)
	l.module(map[string]string{"stuck/stuck.go": `package stuck

import (
	"os"

	"hotline"
)

type Server struct {
	hotline.ServerMethodsBase ` + "`port:\"stuck\" name:\"stuck\"`" + `
}

func NewServer() (*Server, error) {
	if err := os.WriteFile("begun", nil, 0o600); err != nil {
		return nil, err
	}
	select {}
}

func (*Server) Ping() {}
`})
	dir := l.build(l.config("[Server]\nimport_from = ./stuck\nstop_timeout = 1m\n"), "built", new(wait.Output))
	c, err := Load(filepath.Join(dir, "service.ini"))
	if err != nil {
		t.Fatal(err)
	}
	r := l.run(c, Options{})
	wait.Until(t, "a worker in its constructor", func() bool {
		_, err := os.Stat(filepath.Join(dir, "begun"))
		return err == nil
	})
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if said := r.out.String(); strings.Contains(said, "killed") {
		t.Errorf("the worker was killed:\n%s", said)
	}
}
