package manager

import (
	"errors"
	"fmt"
	"go/token"
	"maps"
	"slices"
	"strings"
	"time"
)

// serviceKey is a key of a service's section: how its value is read, what it means, and what a change of it takes.
type serviceKey struct {
	name   string
	about  string // for people: type, range, default and meaning, in one line
	effect effect
	own    bool // it is about one section alone, so [defaults] can't have it
	secret bool // its value is not shown

	// set gives the service the value, or says what is wrong with it. Relative paths begin in dir.
	set func(s *Service, dir, value string) error
}

// effect says what a reload does about a key that has another value.
type effect int

const (
	onRestart  effect = iota // the workers are replaced, one after the other: they are started with it
	onScale                  // workers are added or drained
	onSettings               // the manager heeds it from now on
)

// serviceKeys returns the keys of a service's section, in the order in which people are told of them. Those that begin with
// env. are not among them.
func serviceKeys() []serviceKey {
	return slices.Concat([]serviceKey{
		{name: "import_from", about: "directory of a Go package, or its import path", set: func(s *Service, dir, value string) (err error) {
			s.ImportFrom, err = parseImport(dir, value)
			return err
		}},
		{name: "type", own: true, about: "name of the Go type; default: the section's name", set: func(s *Service, _, value string) error {
			if s.Type = value; !token.IsIdentifier(value) || !token.IsExported(value) {
				return fmt.Errorf("%q is not the name of an exported Go type: write it like Server, without its package", value)
			}
			return nil
		}},
		{name: "binary", own: true, about: "path of a program that is built already, in place of import_from",
			set: func(s *Service, dir, value string) (err error) {
				s.Binary, err = parseBinary(dir, value)
				return err
			}},
		{name: "log_dir", about: "directory of the log; default: logs in the runtime directory", set: func(s *Service, dir, value string) (err error) {
			s.LogDir, err = parsePath(dir, value)
			return err
		}},
		byteKey("log_max_bytes", minLogBytes, "1048576 or more; default: 16 MiB, or a quarter of log_total_bytes; bytes of a log's file before "+
			"it is rotated", func(s *Service) *int64 { return &s.LogMaxBytes }),
		durationKey("log_max_age", onRestart, minLogAge, maxDuration, false, "1m or more; default: 24h; age of a log's file before it is rotated",
			func(s *Service) *time.Duration { return &s.LogMaxAge }),
		byteKey("log_total_bytes", minLogTotal, "8388608 or more, and at least twice log_max_bytes; default: 16 times that; bytes "+
			"of all files of a log", func(s *Service) *int64 { return &s.LogTotalBytes }),
		{name: "tcp_bind", about: "host to listen on; default: empty, no TCP", set: func(s *Service, _, value string) (err error) {
			s.TCPBind, err = parseHost(value)
			return err
		}},
		boolKey("tcp_allow_insecure_serialisation", onRestart, "true or false; default: false; lets gob be used over TCP",
			func(s *Service) *bool { return &s.TCPAllowInsecureSerialisation }),
		intKey("min_proc_num", onScale, 1, maxProcs, "1 to 1024; default: 1; workers that run",
			func(s *Service) *int { return &s.MinProcNum }),
		intKey("max_proc_num", onScale, 1, maxProcs, "1 to 1024; default: min_proc_num; workers that may run",
			func(s *Service) *int { return &s.MaxProcNum }),
		{name: "max_proc_mem_bytes", effect: onSettings, about: "bytes, at least 1048576; default: 0, no limit; " +
			"a worker whose private memory (PSS) is over it is replaced", set: setMaxProcMem},
		durationKey("max_proc_age", onSettings, time.Second, maxDuration, true,
			"1s or more; default: 0s, no limit; a worker that is older is replaced", func(s *Service) *time.Duration { return &s.MaxProcAge }),
		{name: "max_proc_calls", effect: onSettings, about: "default: 0, no limit; a worker that has done so many calls is replaced",
			set: func(s *Service, _, value string) (err error) {
				s.MaxProcCalls, err = parseNumber(value, 0, 1<<62)
				return err
			}},
		boolKey("wait_until_completed", onSettings, "true or false; default: false; the sections below start when this one is ready",
			func(s *Service) *bool { return &s.WaitUntilCompleted }),
		{name: "after", own: true, effect: onSettings, about: "sections, by commas, that must be ready before this one starts",
			set: func(s *Service, _, value string) (err error) {
				s.After, err = parseNames(value)
				return err
			}},
		durationKey("start_timeout", onSettings, 10*time.Millisecond, maxDuration, false,
			"10ms or more; default: 5m; a worker that is not ready by then is killed", func(s *Service) *time.Duration { return &s.StartTimeout }),
		durationKey("stop_timeout", onRestart, 10*time.Millisecond, maxDuration, false,
			"10ms or more; default: 12s; a worker that has not stopped by then is killed", func(s *Service) *time.Duration { return &s.StopTimeout }),
		durationKey("drain_timeout", onSettings, 10*time.Millisecond, maxDuration, false,
			"10ms or more; default: 5m; a worker that is replaced, or one too many, and has not finished its calls by then is stopped",
			func(s *Service) *time.Duration { return &s.DrainTimeout }),
		durationKey("restart_min", onSettings, time.Millisecond, maxDuration, false,
			"1ms or more; default: 100ms; wait before a worker that ended is started again", func(s *Service) *time.Duration { return &s.RestartMin }),
		durationKey("restart_max", onSettings, time.Millisecond, maxDuration, false,
			"restart_min or more; default: 30s; the wait doubles up to this", func(s *Service) *time.Duration { return &s.RestartMax }),
		durationKey("restart_stable", onSettings, time.Millisecond, maxDuration, false,
			"1ms or more; default: 1m; a worker that was ready for so long begins with restart_min again",
			func(s *Service) *time.Duration { return &s.RestartStable }),
	}, scaleKeys(), limitKeys())
}

// keys returns the keys that the section, or another one, can have, with those of both that begin with env.
func (s *Service) keys(others ...*Service) []serviceKey {
	variables := map[string]bool{}
	for _, o := range append(others, s) {
		for key := range o.values {
			if isEnvKey(key) {
				variables[key] = true
			}
		}
	}
	all := serviceKeys()
	for _, key := range slices.Sorted(maps.Keys(variables)) {
		all = append(all, envKey(key))
	}
	return all
}

// maxDuration is the longest duration of a key: ten years.
const maxDuration = 10 * 365 * 24 * time.Hour

// keyNames returns the names of the keys of which want is true.
func keyNames(want func(*serviceKey) bool) (names []string) {
	for _, k := range serviceKeys() {
		if want(&k) {
			names = append(names, k.name)
		}
	}
	return names
}

func anyKey(*serviceKey) bool { return true }

func boolKey(name string, e effect, about string, field func(*Service) *bool) serviceKey {
	return serviceKey{name: name, effect: e, about: about, set: func(s *Service, _, value string) (err error) {
		*field(s), err = parseBool(value)
		return err
	}}
}

func intKey(name string, e effect, low, high int64, about string, field func(*Service) *int) serviceKey {
	return serviceKey{name: name, effect: e, about: about, set: func(s *Service, _, value string) error {
		n, err := parseNumber(value, low, high)
		*field(s) = int(n)
		return err
	}}
}

// byteKey is a key of a log's size.
func byteKey(name string, low int64, about string, field func(*Service) *int64) serviceKey {
	return serviceKey{name: name, effect: onRestart, about: about, set: func(s *Service, _, value string) (err error) {
		*field(s), err = parseNumber(value, low, maxLogBytes)
		return err
	}}
}

// durationKey is a key of a duration from low to high; where none is true, 0 is one as well.
func durationKey(name string, e effect, low, high time.Duration, none bool, about string, field func(*Service) *time.Duration) serviceKey {
	return serviceKey{name: name, effect: e, about: about, set: func(s *Service, _, value string) (err error) {
		*field(s), err = parseDuration(value, low, high, none)
		return err
	}}
}

func setMaxProcMem(s *Service, _, value string) (err error) {
	s.MaxProcMemBytes, err = parseNumber(value, 0, 1<<62)
	if err == nil && s.MaxProcMemBytes != 0 && s.MaxProcMemBytes < minMemBytes {
		err = fmt.Errorf("%s bytes are not enough for any process: write at least %d, or 0 for no limit", value, minMemBytes)
	}
	return err
}

// parseDuration reads a duration as Go writes them.
func parseDuration(value string, low, high time.Duration, none bool) (time.Duration, error) {
	word := ""
	if none {
		word = ", or 0 for no limit"
	}
	d, err := time.ParseDuration(value)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is no duration: write one with its unit, such as 500ms, 10s or 1h30m%s", value, word)
	case d == 0 && none:
		return 0, nil
	case d < low || d > high:
		return 0, fmt.Errorf("%s is out of range: write a duration from %v to %v%s", value, low, high, word)
	}
	return d, nil
}

// parseNames reads names with commas between them.
func parseNames(value string) (names []string, err error) {
	if value == "" {
		return nil, nil // takes back what [defaults] says
	}
	for name := range strings.SplitSeq(value, ",") {
		name = strings.TrimSpace(name)
		switch {
		case name == "":
			return nil, errors.New("there is nothing between two commas: write names of sections with one comma between them")
		case slices.Contains(names, name):
			return nil, fmt.Errorf("%q stands there twice: write it once", name)
		}
		names = append(names, name)
	}
	return names, nil
}
