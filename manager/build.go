package manager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"

	"hotline"
	"hotline/manager/internal/gobuild"
)

// BuildOptions are what [Build] may be told.
type BuildOptions struct {
	Stdout io.Writer // takes what a person wants to see; nowhere by default
}

// distribution is a directory of one program and its service.ini.
type distribution struct {
	config *Config
	out    string // the directory
	say    func(format string, args ...any)
}

// Build makes dir a directory that needs no Go toolchain: one program that holds the services of all sections and the
// manager, and a service.ini that refers to it, beside the ready-made programs of sections that have binary. The same
// sources give the same bytes. It is built for GOOS and GOARCH of the environment, and without cgo unless CGO_ENABLED
// says otherwise. What stood in dir by the same names is replaced if an earlier Build made it.
func Build(ctx context.Context, config *Config, dir string, o *BuildOptions) (err error) {
	out := io.Discard
	if o != nil && o.Stdout != nil {
		out = o.Stdout
	}
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, format+"\n", args...)
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return err
	}
	work, err := gobuild.NewWorkDir()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, work.Remove()) }()
	d := &distribution{config: config, out: dir, say: say}
	ini, err := d.translate()
	if err != nil {
		return err
	}
	program, err := d.program(ctx, gobuild.New(config.Dir, work, say))
	if err != nil {
		return err
	}
	return d.place(program, ini)
}

// program builds the program, and returns its path; "" where no section is built from a package.
func (d *distribution) program(ctx context.Context, b *gobuild.Builder) (string, error) {
	var sources []*gobuild.Service
	for i := range d.config.Services {
		if s := &d.config.Services[i]; s.ImportFrom != "" {
			sources = append(sources, s.source())
		}
	}
	if len(sources) == 0 {
		return "", nil
	}
	return b.Bundle(ctx, sources, &gobuild.Main{
		Package: path.Join(reflect.TypeFor[hotline.Server]().PkgPath(), "monitor/bundle"), File: filepath.Base(d.config.File),
	})
}

// bundleHeader begins the service.ini of a build: by it one is known that may be replaced.
const bundleHeader = "; Made by hotline build: "

// readyMade returns the name in the directory of a section's ready-made program.
func readyMade(s *Service) string { return s.Section + filepath.Ext(s.Binary) }

// translate returns the text of the file for the directory: the same lines, but for where the programs are.
func (d *distribution) translate() ([]byte, error) {
	data, err := os.ReadFile(d.config.File)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	services := map[string]*Service{}
	for i := range d.config.Services {
		services[d.config.Services[i].Section] = &d.config.Services[i]
	}
	out := bytes.NewBufferString(bundleHeader + "the programs are beside this file, and it needs nothing else.\n")
	for line := range strings.Lines(string(data)) {
		text := strings.TrimSpace(line)
		if text != "" && text[0] == '[' {
			name, err := sectionName(text)
			if err != nil {
				return nil, err
			}
			fmt.Fprintln(out, strings.TrimRight(line, "\r\n"))
			switch s := services[name]; {
			case s != nil && s.ImportFrom != "":
				fmt.Fprintf(out, "binary = %s\n", gobuild.BundleName())
			case s != nil:
				fmt.Fprintf(out, "binary = %s\n", readyMade(s))
			}
			continue
		}
		if key, _, ok := cutKey(text); ok && text[0] != ';' && text[0] != '#' && slices.Contains([]string{"import_from", "type", "binary"}, key) {
			fmt.Fprintf(out, "; %s\n", text)
			continue
		}
		out.WriteString(line)
	}
	return out.Bytes(), nil
}

// place puts everything into the directory. Each file is replaced at once and as a whole; the service.ini comes last.
func (d *distribution) place(program string, ini []byte) error {
	file := filepath.Join(d.out, filepath.Base(d.config.File))
	if err := checkReplaceable(file); err != nil {
		return err
	}
	if err := os.MkdirAll(d.out, 0o755); err != nil {
		return fmt.Errorf("make the directory: %w: name another with -o", err)
	}
	if program != "" {
		if err := installFile(program, filepath.Join(d.out, gobuild.BundleName())); err != nil {
			return err
		}
	}
	for i := range d.config.Services {
		s := &d.config.Services[i]
		if s.Binary != "" {
			if err := installFile(s.Binary, filepath.Join(d.out, readyMade(s))); err != nil {
				return s.errorAt("binary", err)
			}
		}
		d.noteOthers(s)
	}
	if err := install(bytes.NewReader(ini), file, 0o644); err != nil {
		return err
	}
	how := "hotline serve " + file
	if program != "" {
		how += ", or without that command: " + filepath.Join(d.out, gobuild.BundleName()) + " serve"
	}
	d.say("made %s: run it with %s", d.out, how)
	return nil
}

// noteOthers says what a section needs that is not in the directory.
func (d *distribution) noteOthers(s *Service) {
	for _, key := range []string{"env_file", "work_dir"} {
		if v, ok := s.values[key]; ok && !filepath.IsAbs(v.value) {
			d.say("%s: note: %s = %s is not copied: put it there in %s, before it is run", s.Section, key, v.value, d.out)
		}
	}
}

// checkReplaceable refuses to write over a file that no build has made.
func checkReplaceable(file string) error {
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !bytes.HasPrefix(data, []byte(bundleHeader)):
		return fmt.Errorf("%s is there, and was not made by a build: name another directory with -o", file)
	}
	return nil
}

func installFile(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return install(f, to, 0o755)
}

// install writes a file in place of one that may be running.
func install(from io.Reader, to string, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(to), ".hotline-build-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = io.Copy(f, from)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", to, err)
	}
	return os.Rename(f.Name(), to)
}
