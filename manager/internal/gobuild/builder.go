package gobuild

import (
	"context"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"hotline/manager/internal/each"
)

// Service says what one service is made from.
type Service struct {
	Section    string // of the service.ini; it names the program
	ImportFrom string // absolute directory, or an import path as Builder's directory sees it
	Written    string // ImportFrom as people wrote it
	Type       string // Go type
	Open       bool   // other users must be able to run the program, who may else not look into the work directory

	// At returns an error with its place in the service.ini.
	At func(error) error
}

// Builder makes programs. Its methods may be called at once.
type Builder struct {
	dir  string
	work *WorkDir
	say  func(format string, args ...any)

	built  atomic.Int64            // programs, for the names of their directories
	goTool func() (*goTool, error) // the go command, found once
}

// New returns a builder for the services of a file in dir. What it makes stands in work. say takes lines for people.
func New(dir string, work *WorkDir, say func(format string, args ...any)) *Builder {
	return &Builder{
		dir: dir, work: work, say: say,
		goTool: sync.OnceValues(func() (*goTool, error) { return newGoTool(work.path) }),
	}
}

// found is a service whose package was found and can be built.
type found struct {
	*source
	home        string // the directory that generated packages are put under
	constructor bool
	docs        map[string]string
}

// find finds the package of a service.
func (b *Builder) find(ctx context.Context, tool *goTool, s *Service) (*found, error) {
	b.say("building %s from %s ...", s.Section, s.Written)
	src, err := findSource(ctx, tool, b.dir, s)
	if err != nil {
		return nil, err
	}
	f := &found{source: src}
	if f.constructor, err = src.hasConstructor(s.Type); err != nil {
		b.say("%s: note: %v", s.Section, err)
	}
	f.docs = src.docs(ctx, tool, s.Type)
	f.home, err = b.home(ctx, tool, src.pkg)
	return f, err
}

// home returns the directory that a generated package is put under, in the compiler's eyes: the service's own, so
// that it may import internal packages as the service may, or else, where the service is not in the user's module,
// the user's module.
func (b *Builder) home(ctx context.Context, tool *goTool, pkg *listed) (string, error) {
	if pkg.Module != nil && pkg.Module.Main {
		return pkg.Dir, nil
	}
	return tool.mainModule(ctx, b.dir)
}

// eachService calls f for services, side by side, and returns its results, which are whole where there is no error. All
// errors are reported together, each with its place.
func eachService[T any](ctx context.Context, services []*Service, f func(i int, s *Service) (T, error)) ([]T, error) {
	results := make([]T, len(services))
	return results, each.AtOnce(ctx, len(services), func(i int) (err error) {
		if results[i], err = f(i, services[i]); err != nil {
			return services[i].At(err)
		}
		return nil
	})
}

// executable returns the file name of a program, on the system that it is built for.
func executable(name string) string {
	if goos := os.Getenv("GOOS"); goos == "windows" || goos == "" && runtime.GOOS == "windows" {
		return name + ".exe"
	}
	return name
}
