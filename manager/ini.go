package manager

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/ini.v1"
)

// section is a section of an ini file, as it stands there.
type section struct {
	name     string
	line     int
	settings []setting // in the order of the file
}

// setting is a key and its value, without quotes and comments.
type setting struct {
	key, value string
	line       int
}

// lookup returns the section's setting of a key.
func (s *section) lookup(key string) (setting, bool) {
	if s == nil {
		return setting{}, false
	}
	at := slices.IndexFunc(s.settings, func(v setting) bool { return v.key == key })
	if at < 0 {
		return setting{}, false
	}
	return s.settings[at], true
}

// readINI parses the text of an ini file. gopkg.in/ini.v1 reads it, but knows no lines, lets the last of two equal keys
// win and reads on over the end of a line; so the text is scanned first, and what the two could read differently is
// refused.
func readINI(file string, data []byte) ([]*section, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	sections, err := scanINI(file, string(data))
	if err != nil {
		return nil, err
	}
	options := ini.LoadOptions{IgnoreContinuation: true, IgnoreInlineComment: true, PreserveSurroundedQuote: true}
	parsed, err := ini.LoadSources(options, data)
	if err != nil {
		return nil, &ConfigError{File: file, Err: fmt.Errorf("read the configuration: %w", err)}
	}
	var errs []error
	for _, s := range sections {
		from, err := parsed.GetSection(s.name)
		if err != nil {
			return nil, &ConfigError{File: file, Line: s.line, Section: s.name, Err: err}
		}
		for i := range s.settings {
			v := &s.settings[i]
			if !from.HasKey(v.key) {
				return nil, &ConfigError{File: file, Line: v.line, Section: s.name, Key: v.key, Err: errors.New("this line can't be read")}
			}
			if v.value, err = bare(from.Key(v.key).Value()); err != nil {
				errs = append(errs, &ConfigError{File: file, Line: v.line, Section: s.name, Key: v.key, Err: err})
			}
		}
	}
	return sections, errors.Join(errs...)
}

// scanINI finds sections and keys and their lines.
func scanINI(file, text string) ([]*section, error) {
	var sections []*section
	var errs []error
	number := 0
	fail := func(format string, args ...any) {
		errs = append(errs, &ConfigError{File: file, Line: number, Err: fmt.Errorf(format, args...)})
	}
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case strings.ContainsRune(line, 0):
			fail("there is a zero byte in this line: this is no text file")
		case line[0] == '[':
			name, err := sectionName(line)
			if err != nil {
				fail("%w", err)
			}
			if at := slices.IndexFunc(sections, func(s *section) bool { return s.name == name }); at >= 0 {
				fail("section [%s] is already in line %d: put both together", name, sections[at].line)
			}
			sections = append(sections, &section{name: name, line: number})
		default:
			key, value, ok := cutKey(line)
			switch {
			case !ok:
				fail("%q has no '=': write key = value, or begin a comment with ';'", line)
			case len(sections) == 0:
				fail("%q stands before any section: put it under [defaults] or under a service's section", line)
			case strings.HasPrefix(value, `"""`) || strings.HasPrefix(value, "`"):
				fail("the value of %s begins with %.3s: values have one line, with \"…\" or '…' around it or nothing", key, value)
			default:
				s := sections[len(sections)-1]
				if old, has := s.lookup(key); has {
					fail("[%s] %s is already in line %d: keep one of them", s.name, key, old.line)
				}
				s.settings = append(s.settings, setting{key: key, line: number})
			}
		}
	}
	return sections, errors.Join(errs...)
}

// sectionName returns the name in a line that begins with '['.
func sectionName(line string) (string, error) {
	name, rest, ok := strings.Cut(line[1:], "]")
	rest = strings.TrimSpace(rest)
	switch {
	case !ok:
		return "", fmt.Errorf("%q has no ']': write [section]", line)
	case rest != "" && rest[0] != ';' && rest[0] != '#' || strings.Contains(rest, "]"):
		return "", fmt.Errorf("%q stands behind a section's name: put it on a line of its own", rest)
	case name == "" || strings.TrimSpace(name) != name:
		return "", fmt.Errorf("section name %q is empty or has spaces around it: write [section]", name)
	case name == ini.DefaultSection:
		return "", fmt.Errorf("there is no section [%s]: write [%s]", name, defaultsSection)
	}
	return name, nil
}

// cutKey splits a line at its first '=' or ':'.
func cutKey(line string) (key, value string, ok bool) {
	at := strings.IndexAny(line, "=:")
	if at <= 0 || strings.ContainsAny(line[:at], "\"'`") {
		return "", "", false
	}
	return strings.TrimSpace(line[:at]), strings.TrimSpace(line[at+1:]), true
}

// bare returns a value without its quotes and the comment behind it. A comment begins with ';' or '#' after a space.
func bare(value string) (string, error) {
	if value == "" || value[0] != '"' && value[0] != '\'' {
		for i := range len(value) {
			if (value[i] == ';' || value[i] == '#') && (i == 0 || value[i-1] == ' ' || value[i-1] == '\t') {
				value = value[:i]
				break
			}
		}
		return strings.TrimSpace(value), nil
	}
	end := strings.IndexByte(value[1:], value[0]) + 1
	if end == 0 {
		return "", fmt.Errorf("the value %s has no closing %c: add it", value, value[0])
	}
	rest := strings.TrimSpace(value[end+1:])
	if rest != "" && rest[0] != ';' && rest[0] != '#' {
		return "", fmt.Errorf("%s stands behind a value in quotes: put it inside them, or begin a comment with ';'", rest)
	}
	return value[1:end], nil
}
