package manager

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Config is a service.ini, read and checked.
type Config struct {
	File     string // as it was given to Load
	Dir      string // absolute directory of the file; relative paths in the file begin here
	Monitor  Monitor
	Services []Service // in the order of the file
}

// Monitor is the section [web monitor].
type Monitor struct {
	Configured bool   // the section is there
	Host       string // 127.0.0.1 by default
	Port       int    // 5155 by default
}

// Service is a section of the file, with what [defaults] adds: one program that serves one or more services.
type Service struct {
	Section                       string
	Type                          string // Go type; the section's name by default
	ImportFrom                    string // absolute directory, or an import path; empty with Binary
	Binary                        string // absolute path; empty with ImportFrom
	LogDir                        string // absolute; empty for the manager's default
	TCPBind                       string // host to listen on; empty for no TCP
	TCPAllowInsecureSerialisation bool
	MinProcNum                    int   // workers to run, 1 by default
	MaxProcNum                    int   // MinProcNum by default
	MaxProcMemBytes               int64 // 0 for no limit
	WaitUntilCompleted            bool  // the next section starts only when all workers of this one are ready

	file   string
	line   int                // of the section's header
	values map[string]setting // that the section or [defaults] has, by key
}

// ConfigError is one thing that is wrong in a service.ini.
type ConfigError struct {
	File    string
	Line    int // from 1; 0 where it is the file as a whole
	Section string
	Key     string
	Err     error // what is wrong, and the mend
}

func (e *ConfigError) Error() string {
	at := e.File
	if e.Line > 0 {
		at += fmt.Sprint(":", e.Line)
	}
	if e.Section != "" {
		at += ": [" + e.Section + "]"
		if e.Key != "" {
			at += " " + e.Key
		}
	}
	return at + ": " + e.Err.Error()
}

func (e *ConfigError) Unwrap() error { return e.Err }

// maxConfig bounds the size of a service.ini, in bytes.
const maxConfig = 1 << 20

// Load reads and checks a service.ini. Its error has one [*ConfigError] for each thing that is wrong in the file, all
// of them joined. Nothing is built or started.
func Load(file string) (*Config, error) {
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, &ConfigError{File: file, Err: fmt.Errorf("read the configuration: %w", errors.Unwrap(err))}
	case !info.Mode().IsRegular():
		return nil, &ConfigError{File: file, Err: errors.New("this is no regular file: name the service.ini itself")}
	case info.Size() > maxConfig:
		return nil, &ConfigError{File: file, Err: fmt.Errorf("the file has %d bytes, a service.ini has at most %d", info.Size(), maxConfig)}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, &ConfigError{File: file, Err: fmt.Errorf("read the configuration: %w", errors.Unwrap(err))}
	}
	return parse(file, dir, data)
}

// parse reads the text of a file in dir.
func parse(file, dir string, data []byte) (*Config, error) {
	sections, err := readINI(file, data)
	if err != nil {
		return nil, err
	}
	p := &configParser{config: &Config{File: file, Dir: dir, Monitor: Monitor{Host: "127.0.0.1", Port: 5155}}}
	for _, s := range sections {
		switch s.name {
		case defaultsSection:
			p.defaults = s
			p.checkDefaults()
		case monitorSection:
			p.monitor(s)
		}
	}
	for _, s := range sections {
		if s.name != defaultsSection && s.name != monitorSection {
			p.service(s)
		}
	}
	if len(p.errs) == 0 && len(p.config.Services) == 0 {
		p.errs = append(p.errs, &ConfigError{File: file, Err: errors.New("there is no service: add a section with the name " +
			"of a Go type, and import_from = ./its/package in it")})
	}
	if err := errors.Join(p.errs...); err != nil {
		return nil, err
	}
	return p.config, nil
}

// errorAt returns an error about a key of the section, or about the section where key is empty.
func (s *Service) errorAt(key string, err error) error {
	e := &ConfigError{File: s.file, Line: s.line, Section: s.Section, Key: key, Err: err}
	if v, ok := s.values[key]; ok {
		e.Line = v.line
	}
	return e
}

// sourceError returns an error about where the program comes from.
func (s *Service) sourceError(err error) error {
	if s.Binary != "" {
		return s.errorAt("binary", err)
	}
	return s.errorAt("import_from", err)
}
