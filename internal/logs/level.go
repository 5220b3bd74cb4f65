package logs

import (
	"bytes"

	"github.com/rs/zerolog"
)

// parseLevel returns the level that a word names, in any case.
func parseLevel(word []byte) (zerolog.Level, bool) {
	for _, l := range [...]struct {
		name  string
		level zerolog.Level
	}{
		{"info", zerolog.InfoLevel}, {"debug", zerolog.DebugLevel}, {"warn", zerolog.WarnLevel}, {"error", zerolog.ErrorLevel},
		{"trace", zerolog.TraceLevel}, {"fatal", zerolog.FatalLevel}, {"panic", zerolog.PanicLevel}, {"warning", zerolog.WarnLevel},
	} {
		if len(word) == len(l.name) && bytes.EqualFold(word, []byte(l.name)) {
			return l.level, true
		}
	}
	return zerolog.NoLevel, false
}

// crash knows the lines that a Go program writes when it ends by a panic or a fatal error. The zero crash is one that has not
// begun.
type crash struct {
	level zerolog.Level // of the lines that follow, while on
	on    bool
}

// levelOf returns the level of the next plain line of a stream.
func (c *crash) levelOf(line []byte) zerolog.Level {
	switch {
	case bytes.HasPrefix(line, []byte("panic: ")):
		c.on, c.level = true, zerolog.PanicLevel
	case bytes.HasPrefix(line, []byte("fatal error: ")), bytes.HasPrefix(line, []byte("SIGQUIT: ")),
		bytes.HasPrefix(line, []byte("unexpected fault address ")):
		c.on, c.level = true, zerolog.FatalLevel
	case c.on && !continuesCrash(line):
		c.on = false
	}
	if c.on {
		return c.level
	}
	return plainLevel(line)
}

// continuesCrash reports whether a line can stand among the stacks behind a panic: one of
//
//	goroutine 1 [running]:          main.f(0x1, {0x2, 0x3})
//	[signal SIGSEGV: ...]           	/srv/echo/main.go:12 +0x1d
//	created by main.g in goroutine 1
//	rax    0x0                      exit status 2, or an empty one
func continuesCrash(line []byte) bool {
	if len(line) == 0 || line[0] == '\t' || line[len(line)-1] == ')' {
		return true
	}
	for _, prefix := range [...]string{"goroutine ", "[signal ", "created by ", "runtime", "exit status ", "PC=", "...", "["} {
		if bytes.HasPrefix(line, []byte(prefix)) {
			return true
		}
	}
	name, value, _ := bytes.Cut(line, []byte(" "))
	return len(name) <= 6 && bytes.HasPrefix(bytes.TrimLeft(value, " "), []byte("0x"))
}

// plainLevel returns the level that a plain line says itself, or info. It says one as log/slog does, by level=WARN among
// its first words, or by a word in capital letters at its start, bare, with a colon, or in brackets:
//
//	WARN: the disk is nearly full
//	[ERROR] no such file
//	2026/01/02 15:04:05 WARN behind the time that package log writes
//	2026-01-02 15:04:05 WRN as zerolog writes for people
func plainLevel(line []byte) zerolog.Level {
	const words, within = 4, 80 // where a level is looked for
	rest := line[:min(len(line), within)]
	for range words {
		rest = bytes.TrimLeft(rest, " ")
		word, behind, _ := bytes.Cut(rest, []byte(" "))
		if value, ok := bytes.CutPrefix(word, []byte("level=")); ok {
			if level, ok := parseLevel(value); ok {
				return level
			}
		}
		isTime := len(word) > 0 && '0' <= word[0] && word[0] <= '9'
		isPair := bytes.IndexByte(word, '=') > 0 // time=... before level=
		if !isTime && !isPair {
			if level, ok := capitalLevel(bytes.Trim(word, "[]():")); ok {
				return level
			}
			break
		}
		rest = behind
	}
	return zerolog.InfoLevel
}

// capitalLevel returns the level that a word in capital letters names.
func capitalLevel(word []byte) (zerolog.Level, bool) {
	for _, c := range word {
		if c < 'A' || c > 'Z' {
			return zerolog.NoLevel, false
		}
	}
	switch string(word) {
	case "TRC":
		return zerolog.TraceLevel, true
	case "DBG":
		return zerolog.DebugLevel, true
	case "INF":
		return zerolog.InfoLevel, true
	case "WRN":
		return zerolog.WarnLevel, true
	case "ERR":
		return zerolog.ErrorLevel, true
	case "FTL":
		return zerolog.FatalLevel, true
	case "PNC":
		return zerolog.PanicLevel, true
	}
	return parseLevel(word)
}
