package manager

import (
	"errors"
	"fmt"
	"go/token"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"hotline/internal/logs"
	"hotline/internal/nearest"
)

const (
	defaultsSection = "defaults"
	monitorSection  = "web monitor"
)

// Ranges of the keys.
const (
	maxProcs    = 1024
	minMemBytes = 1 << 20

	minLogBytes = 1 << 20
	minLogTotal = 8 << 20 // the longest line has room
	maxLogBytes = 1 << 50
	minLogAge   = time.Minute
)

// monitorKeys are the keys of [web monitor].
func monitorKeys() []string { return []string{"host", "port"} }

// sectionPattern is what a section's name can be: it is the name of its log file, too.
var sectionPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)

// hostPattern is a host name.
var hostPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9][A-Za-z0-9-]{0,62})*\.?$`)

// configParser makes a Config of the sections of a file. It goes on after an error, to find them all.
type configParser struct {
	config   *Config
	defaults *section
	errs     []error
}

// checkDefaults reports what is wrong in [defaults] itself, so that no section says it again.
func (p *configParser) checkDefaults() {
	p.checkKeys(p.defaults, keyNames(func(k *serviceKey) bool { return !k.own }))
	s := p.newService(p.defaults)
	p.config.defaults = s
	keys := s.keys()
	for _, v := range p.defaults.settings {
		at := slices.IndexFunc(keys, func(k serviceKey) bool { return k.name == v.key })
		if at < 0 {
			continue // which has been said
		}
		if err := keys[at].set(s, p.config.Dir, v.value); err != nil {
			p.fail(p.defaults, v, err)
		}
	}
	s.checkLogSizes(p.defaults, p.failer(s))
}

func (p *configParser) monitor(s *section) {
	m := &p.config.Monitor
	m.Configured = true
	p.checkKeys(s, monitorKeys())
	for _, v := range s.settings {
		var err error
		switch v.key {
		case "host":
			m.Host, err = parseHost(v.value)
			if m.Host == "" && err == nil {
				err = errors.New("the value is empty: write a host such as 127.0.0.1")
			}
		case "port":
			var n int64
			n, err = parseNumber(v.value, 1, 65535)
			m.Port = int(n)
		}
		if err != nil {
			p.fail(s, v, err)
		}
	}
}

// service reads the section of a service.
func (p *configParser) service(from *section) {
	p.checkKeys(from, keyNames(anyKey))
	before := len(p.errs)
	s := p.newService(from)
	for _, key := range s.keys() {
		v, ok := s.values[key.name]
		if !ok {
			continue
		}
		if err := key.set(s, p.config.Dir, v.value); err != nil && !p.isDefault(v) {
			p.fail(from, v, err)
		}
	}
	if len(p.errs) == before {
		p.checkService(s, from)
	}
	p.config.Services = append(p.config.Services, *s)
}

// newService returns a service with its own values and those that it takes from [defaults].
func (p *configParser) newService(from *section) *Service {
	s := &Service{Section: from.name, MinProcNum: 1, file: p.config.File, line: from.line, values: map[string]setting{}}
	_, hasBinary := from.lookup("binary")
	if p.defaults != nil && from.name != defaultsSection {
		own := keyNames(func(k *serviceKey) bool { return k.own })
		for _, v := range p.defaults.settings {
			if slices.Contains(own, v.key) {
				continue
			}
			if v.key != "import_from" || !hasBinary { // a section's own program goes before the package of most others
				s.values[v.key] = v
			}
		}
	}
	for _, v := range from.settings {
		s.values[v.key] = v
	}
	return s
}

// isDefault reports whether v is a setting of [defaults].
func (p *configParser) isDefault(v setting) bool {
	d, ok := p.defaults.lookup(v.key)
	return ok && d.line == v.line
}

// checkService reports what the values of a section say together.
func (p *configParser) checkService(s *Service, from *section) {
	fail := p.failer(s)
	if !sectionPattern.MatchString(s.Section) {
		fail("", "the name of a section is the name of its log file: use letters, digits, '_', '-' and '.', and begin with a letter")
	}
	switch {
	case s.ImportFrom != "" && s.Binary != "":
		fail("binary", "the section has import_from (line %d), too: keep the one that the service is to be started from",
			s.values["import_from"].line)
	case s.ImportFrom == "" && s.Binary == "":
		hint := ""
		if near := nearest.Word(s.Section, []string{defaultsSection, monitorSection}); near != "" {
			hint = fmt.Sprintf(" (or is it meant to be [%s]?)", near)
		}
		fail("", "the section has neither import_from nor binary: add import_from = ./its/package%s", hint)
	case s.Binary != "" && s.Type != "":
		fail("type", "a ready-built program serves what it was built to serve: remove type, or use import_from in place of binary")
	}
	if s.ImportFrom != "" && s.Type == "" {
		if s.Type = s.Section; !token.IsIdentifier(s.Type) || !token.IsExported(s.Type) {
			fail("", "the section's name is not the name of an exported Go type: rename it, or add type = Server")
		}
	}
	if strings.EqualFold(s.Section, logs.Manager) {
		fail("", "%s.log is what the manager itself has to say: rename the section, and add type = %s if that is the name of the "+
			"Go type", logs.Manager, s.Section)
	}
	s.checkLogSizes(from, fail)
	if s.MaxProcNum == 0 {
		s.MaxProcNum = s.MinProcNum
	}
	if s.MinProcNum > s.MaxProcNum {
		key, other := "min_proc_num", "max_proc_num"
		if _, own := from.lookup(key); !own { // the line that is the section's own is the one to change
			key, other = other, key
		}
		fail(key, "min_proc_num is %d and max_proc_num is %d (line %d): min must not be over max",
			s.MinProcNum, s.MaxProcNum, s.values[other].line)
	}
	if s.RestartMax != 0 && s.RestartMin > s.RestartMax {
		key, other := "restart_min", "restart_max"
		if _, own := from.lookup(key); !own {
			key, other = other, key
		}
		fail(key, "restart_min is %v and restart_max is %v (line %d): min must not be over max", s.RestartMin, s.RestartMax,
			s.values[other].line)
	}
	s.checkScale(fail)
}

// failer returns the function that reports what is wrong in a section, at one of its keys.
func (p *configParser) failer(s *Service) func(key, format string, args ...any) {
	return func(key, format string, args ...any) {
		p.errs = append(p.errs, s.errorAt(key, fmt.Errorf(format, args...)))
	}
}

// checkLogSizes reports a log whose files would not have room for one that is as long as it may be.
func (s *Service) checkLogSizes(own *section, fail func(key, format string, args ...any)) {
	one, all := logs.Sizes(s.LogMaxBytes, s.LogTotalBytes)
	key := "log_total_bytes"
	_, has := own.lookup(key)
	if !has { // the line that is the section's own is the one to change
		key = "log_max_bytes"
		_, has = own.lookup(key)
	}
	if 2*one <= all || !has { // what [defaults] says is wrong there
		return
	}
	fail(key, "log_max_bytes is %d (line %d) and log_total_bytes is %d (line %d): the total must be at least twice as much, for the "+
		"current file and the one before", one, s.values["log_max_bytes"].line, all, s.values["log_total_bytes"].line)
}

// checkKeys reports keys that a section does not have.
func (p *configParser) checkKeys(s *section, known []string) {
	for _, v := range s.settings {
		if slices.Contains(known, v.key) || isEnvKey(v.key) && slices.Contains(known, "env_file") {
			continue
		}
		err := fmt.Errorf("there is no such key: use one of %s", strings.Join(known, ", "))
		if near := nearest.Word(v.key, known); near != "" {
			err = fmt.Errorf("there is no such key: did you mean %s?", near)
		} else if slices.Contains(keyNames(anyKey), v.key) {
			err = fmt.Errorf("this key does not belong here: move it to the section of a service")
		} else if near := nearest.Word(v.key, keyNames(anyKey)); near != "" && s.name == defaultsSection {
			err = fmt.Errorf("there is no such key: if you mean %s, move it to the section of a service", near)
		}
		p.fail(s, v, err)
	}
}

func (p *configParser) fail(s *section, v setting, err error) {
	p.errs = append(p.errs, &ConfigError{File: p.config.File, Line: v.line, Section: s.name, Key: v.key, Err: err})
}

// parseImport returns the absolute directory or the import path that value means.
func parseImport(dir, value string) (string, error) {
	isDir := value == "." || value == ".." || strings.HasPrefix(value, "./") || strings.HasPrefix(value, "../") ||
		filepath.IsAbs(value)
	switch {
	case value == "":
		return "", errors.New("the value is empty: write the directory of a Go package, such as ./echo, or an import path")
	case isDir:
		path := value
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		info, err := os.Stat(path)
		if err != nil {
			return "", fmt.Errorf("there is no directory %s: %w: name the directory of the Go package, relative to this file",
				path, errors.Unwrap(err))
		}
		if !info.IsDir() {
			return "", fmt.Errorf("%s is no directory: name the directory of the Go package, not a file in it", path)
		}
		return path, nil
	case strings.ContainsAny(value, " \t\"'`\\@*?") || strings.Contains(value, "..."):
		return "", fmt.Errorf("%q is neither a directory (./echo, /srv/echo) nor the import path of one package", value)
	}
	return value, nil
}

func parseBinary(dir, value string) (string, error) {
	path, err := parsePath(dir, value)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("there is no program %s: %w: build it first, or use import_from", path, errors.Unwrap(err))
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is no regular file: name the program itself", path)
	case !executable(info):
		return "", fmt.Errorf("%s is not executable: run chmod +x %s", path, path)
	}
	return path, nil
}

func parsePath(dir, value string) (string, error) {
	switch {
	case value == "":
		return "", errors.New("the value is empty: write a path, or remove the key")
	case strings.HasPrefix(value, "~"):
		return "", fmt.Errorf("%q begins with ~, which only a shell knows: write the whole path", value)
	case filepath.IsAbs(value):
		return filepath.Clean(value), nil
	}
	return filepath.Join(dir, value), nil
}

// parseHost returns a host to listen on, without brackets. It may be empty.
func parseHost(value string) (string, error) {
	host := value
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	if _, err := netip.ParseAddr(host); err == nil || host == "" || hostPattern.MatchString(host) && !isNumeric(host) {
		return host, nil
	}
	if at := strings.LastIndexByte(value, ':'); at > 0 {
		if _, err := strconv.ParseUint(value[at+1:], 10, 16); err == nil {
			return "", fmt.Errorf("%q has a port: write only the host, the port is that of the service", value)
		}
	}
	return "", fmt.Errorf("%q is no host: write an address such as 127.0.0.1, 0.0.0.0 or ::, or a host name", value)
}

// isNumeric reports whether a host is made of digits and dots, so that it is an address with a mistake in it.
func isNumeric(host string) bool { return strings.Trim(host, "0123456789.") == "" }

func parseNumber(value string, low, high int64) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no whole number: write one from %d to %d", value, low, high)
	}
	if n < low || n > high {
		return 0, fmt.Errorf("%s is out of range: write a number from %d to %d", value, low, high)
	}
	return n, nil
}

func parseBool(value string) (bool, error) {
	switch strings.ToLower(value) {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false: write one of them", value)
}
