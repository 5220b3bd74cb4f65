package manager

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Config is a service.ini, read and checked.
type Config struct {
	File     string // as it was given to Load
	Dir      string // absolute directory of the file; relative paths in the file begin here
	Monitor  Monitor
	Services []Service // in the order of the file

	defaults *Service // what [defaults] says, for the manager's own log; nil without it
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
	Type                          string        // Go type; the section's name by default
	ImportFrom                    string        // absolute directory, or an import path; empty with Binary
	Binary                        string        // absolute path; empty with ImportFrom
	LogDir                        string        // absolute; empty for the manager's default
	LogMaxBytes                   int64         // of a log's file before it is rotated; 0 for 16 MiB, or a quarter of LogTotalBytes
	LogMaxAge                     time.Duration // of a log's file before it is rotated; 0 for a day
	LogTotalBytes                 int64         // of all files of a log; 0 for 16 times LogMaxBytes
	TCPBind                       string        // host to listen on; empty for no TCP
	TCPAllowInsecureSerialisation bool
	MinProcNum                    int           // workers to run, 1 by default
	MaxProcNum                    int           // MinProcNum by default
	MaxProcMemBytes               int64         // 0 for no limit
	MaxProcAge                    time.Duration // 0 for no limit
	MaxProcCalls                  int64         // 0 for no limit
	WaitUntilCompleted            bool          // the sections below start only when this one is ready
	After                         []string      // sections that must be ready before this one starts
	Limits                        Limits        // what a worker runs as, and what it may use

	StartTimeout  time.Duration // for a worker to be ready; here and below 0 means what the manager's Options say
	StopTimeout   time.Duration // from asking a worker to stop to killing it
	DrainTimeout  time.Duration // for the calls of a worker that is replaced, or one too many, before it is asked to stop
	RestartMin    time.Duration // wait before the first restart
	RestartMax    time.Duration // the wait doubles up to this
	RestartStable time.Duration // a worker that was ready for this long begins with RestartMin again

	Scale           ScaleBy       // "" for busy
	ScaleUp         float64       // a share for busy and cpu, waiting calls for queue; 0 for the default of Scale, as all below
	ScaleDown       float64       // in the same unit
	ScaleUpWindow   time.Duration // the average of this time is compared with ScaleUp
	ScaleDownWindow time.Duration
	ScaleCooldown   time.Duration // the shortest time between two changes

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
	p.checkOrder()
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

// locate returns an error that has its place in the file, or puts it where the program comes from.
func (s *Service) locate(err error) error {
	if located := new(ConfigError); errors.As(err, &located) {
		return err
	}
	if s.Binary != "" {
		return s.errorAt("binary", err)
	}
	return s.errorAt("import_from", err)
}
