package main

import "os"

// The colours of a terminal, and back to none.
const (
	bold    = "\x1b[1m"
	reverse = "\x1b[7m"
	red     = "\x1b[31m"
	yellow  = "\x1b[33m"
	cyan    = "\x1b[36m"
	grey    = "\x1b[90m"
	plain   = "\x1b[0m"
)

// hasColours reports whether the output goes to a terminal that is to have colours (no-color.org).
func (a *app) hasColours() bool {
	return isTerminal(a.out) != nil && os.Getenv("NO_COLOR") == "" && !isDumb()
}

// isDumb reports whether the terminal does not know what a screen is.
func isDumb() bool { return os.Getenv("TERM") == "dumb" }
