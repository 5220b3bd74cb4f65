package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"hotline/internal/logs"
)

// app is one run of the program. All that it reads and writes goes through here.
type app struct {
	in       io.Reader
	out, err io.Writer
	program  string // how a user calls this program, for commands that are printed to be pasted

	dir    string // --dir
	output string // --output
	begun  bool   // a command was entered: what fails from now on is not the command line, unless it says so
}

// The exit codes.
const (
	exitOK    = 0
	exitFail  = 1
	exitUsage = 2
)

// usageError is a command line that is wrong.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func (e usageError) Unwrap() error { return e.error }

// run executes a command line and returns the exit code.
func (a *app) run(ctx context.Context, args []string) int {
	root := a.rootCommand()
	root.SetArgs(shieldNumbers(args))
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(a.err, "hotline:", logs.Clean(unshield(strings.TrimPrefix(err.Error(), "hotline: "))))
	if !a.begun {
		fmt.Fprintf(a.err, "Run '%s --help' for usage.\n", a.program+strings.TrimPrefix(cmd.CommandPath(), root.Name()))
	}
	if usage := (usageError{}); !a.begun || errors.As(err, &usage) {
		return exitUsage
	}
	return exitFail
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "hotline",
		Short: "Run services that call each other over shared memory and TCP, and call them",
		Long: `hotline runs services that call each other over shared memory and TCP, shows
which are there, and calls their methods.

Exit codes: 0 all is well; 1 what was asked for failed; 2 the command line is
wrong: an unknown command, flag or method, or arguments that do not fit.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if a.output != "text" && a.output != "json" {
				return fmt.Errorf("there is no output format %q: use text or json", a.output)
			}
			a.begun = true
			return nil
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	flags := root.PersistentFlags()
	flags.StringVar(&a.dir, "dir", "", "directory of the running services (default $HOTLINE_DIR, else $XDG_RUNTIME_DIR/hotline)")
	flags.StringVarP(&a.output, "output", "o", "text", "output format: text, or json for scripts")
	root.MarkPersistentFlagDirname("dir")
	root.RegisterFlagCompletionFunc("output",
		cobra.FixedCompletions([]cobra.Completion{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	root.AddCommand(a.serveCommand(), a.buildCommand(), a.lsCommand(), a.logsCommand(), a.describeCommand(), a.callCommand(), a.benchCommand(),
		a.statusCommand(), a.topCommand(), a.callsCommand(), a.stacksCommand(), a.doctorCommand(), a.versionCommand())
	root.AddCommand(a.manageCommands()...)
	return root
}

// flagError returns the error of a flag's value without the words of package strconv.
func flagError(err error) error {
	var bad *strconv.NumError
	if !errors.As(err, &bad) {
		return err
	}
	what, _, _ := strings.Cut(err.Error(), " flag: ")
	switch {
	case bad.Err == strconv.ErrRange:
		return fmt.Errorf("%s flag: %w", what, bad.Err)
	case bad.Func == "ParseBool":
		return fmt.Errorf("%s flag: use true or false", what)
	}
	return fmt.Errorf("%s flag: use a whole number", what)
}

// anyNumber is no limit of [operands].
const anyNumber = -1

// operands checks how many words a command has behind its name: as many as its line of usage says.
func operands(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return fmt.Errorf("%s needs more words: write %s", cmd.Name(), cmd.UseLine())
		case most != anyNumber && len(args) > most:
			return fmt.Errorf("%s has no place for %q: write %s", cmd.Name(), args[most], cmd.UseLine())
		}
		return nil
	}
}

// json reports whether the output is for a script.
func (a *app) json() bool { return a.output == "json" }

// printJSON writes v and a line end.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// shield marks a word that begins with a dash and is no flag. No word of a command line can hold it otherwise.
const shield = "\x00"

var negative = regexp.MustCompile(`^-\.?[0-9]`)

// shieldNumbers keeps negative numbers among the arguments of a call from being taken for flags.
func shieldNumbers(args []string) []string {
	shielded := make([]string, len(args))
	for i, arg := range args {
		if negative.MatchString(arg) {
			arg = shield + arg
		}
		shielded[i] = arg
	}
	return shielded
}

// unshield takes the marks out again, those in a quoted word of an error too.
func unshield(s string) string { return strings.NewReplacer(shield, "", `\x00`, "").Replace(s) }

// goRun matches where `go run` puts a program: in a scratch directory, or in the build cache.
var goRun = regexp.MustCompile(`/go-build[0-9]*/b[0-9]+/exe/[^/]+$|/[0-9a-f]{2}/[0-9a-f]{64}-d/[^/]+$`)

// programName returns the words that start this program in the user's shell. Its file is executable, and was called
// by the word typed.
func programName(executable, typed string) string {
	if !goRun.MatchString(filepath.ToSlash(executable)) {
		return quote(typed)
	}
	if _, err := os.Stat(filepath.FromSlash("cmd/hotline/main.go")); err == nil {
		return "go run ./cmd/hotline"
	}
	return "go run hotline/cmd/hotline"
}

var safeWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=-]+$`)

// quote returns word as a shell takes it.
func quote(word string) string {
	if safeWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
