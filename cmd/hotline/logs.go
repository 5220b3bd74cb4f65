package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"hotline/internal/logs"
	"hotline/monitor"
	"hotline/registry"
)

const logsHelp = `Show what workers wrote, and what the manager says of them, in the order of
time; that of all sections if none is named. The manager's own log is called
manager.

NAME is that of a section, or the name or port of a service that one section
serves. No manager needs to run, but without one only the names of sections are
known, and so it is with --log-dir.

With -f the lines that come are shown, too, until Ctrl-C, after the last 10 of
those that there are.

The output json has the lines as they are in the files, an object each.`

// askWait bounds how long a manager may take to say what its sections serve.
const askWait = 5 * time.Second

// followedLines is how many lines are shown before those that come.
const followedLines = 10

// logsFlags are the flags of the command.
type logsFlags struct {
	follow                     bool
	since, level, grep, stream string
	worker, last               int
	logDir                     string
}

func (a *app) logsCommand() *cobra.Command {
	f := new(logsFlags)
	c := &cobra.Command{
		Use:   "logs [NAME...]",
		Short: "Show what the workers of sections wrote",
		Long:  logsHelp,
		Example: `  hotline logs -f Server
  hotline logs --since 10m --level warn
  hotline logs --grep 'order [0-9]+' --worker 2 echo_serv
  hotline logs -o json Server | jq .message`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			places, _ := a.logPlaces(f)
			return sectionsOf(places), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.follow && f.since == "" && !cmd.Flags().Changed("lines") {
				f.last = followedLines
			}
			return a.logs(cmd.Context(), f, args)
		},
	}
	flags := c.Flags()
	flags.BoolVarP(&f.follow, "follow", "f", false, "go on with the lines that come, until Ctrl-C")
	flags.StringVar(&f.since, "since", "", "only lines since this `time`: 10m (ago), 15:04, 2006-01-02, \"2006-01-02 15:04:05\"")
	flags.StringVar(&f.level, "level", "", "only lines of this `level` or a worse one: trace, debug, info, warn, error, fatal, panic")
	flags.StringVar(&f.grep, "grep", "", "only lines whose message and fields match this `regexp`")
	flags.IntVar(&f.worker, "worker", 0, "only lines of the worker with this `number`")
	flags.StringVar(&f.stream, "stream", "", "only lines of this `stream`: stdout, stderr or manager")
	flags.IntVarP(&f.last, "lines", "n", 0, "only this `number` of the last lines; 0 for all")
	flags.StringVar(&f.logDir, "log-dir", "", "read the logs in this `directory`, wherever they came from")
	c.MarkFlagDirname("log-dir")
	for flag, words := range map[string][]string{"level": levelNames(), "stream": {"stdout", "stderr", logs.Manager}} {
		c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
	return c
}

func levelNames() []string {
	return []string{"trace", "debug", "info", "warn", "error", "fatal", "panic"}
}

func (a *app) logs(ctx context.Context, f *logsFlags, names []string) error {
	q, err := f.query()
	if err != nil {
		return err
	}
	places, err := a.logPlaces(f)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		sections, err := a.logSections(ctx, f, places, names)
		if err != nil {
			return err
		}
		places, q.Match = choosePlaces(places, sections), ofSections(sections, q.Match)
	}
	out := bufio.NewWriterSize(a.out, 64<<10)
	emit := newLogText(out, places, a.hasColours()).write
	if a.json() {
		emit = func(r *logs.Record) error {
			out.Write(r.Line)
			return out.WriteByte('\n')
		}
	}
	err = q.Run(ctx, places, emit, out.Flush)
	return errors.Join(err, out.Flush())
}

// logPlaces returns where logs are.
func (a *app) logPlaces(f *logsFlags) ([]logs.Place, error) {
	dir, places := f.logDir, []logs.Place(nil)
	if dir != "" {
		var err error
		if places, err = logs.PlacesIn(dir); errors.Is(err, fs.ErrNotExist) {
			return nil, usagef("--log-dir: %w", err)
		} else if err != nil {
			return nil, err
		}
	} else {
		d, err := registry.Open(a.dir)
		if err != nil {
			return nil, err
		}
		dir = d.Path()
		if places, err = logs.Places(dir); err != nil {
			return nil, err
		}
	}
	if len(places) == 0 {
		return nil, fmt.Errorf("there are no logs (looked in %s): run hotline serve first, or name the directory that they are "+
			"in with --log-dir", dir)
	}
	return places, nil
}

// logSections returns the sections that names ask for. For those that have a log nobody is asked; for others, which may be those of
// services, the manager is.
func (a *app) logSections(ctx context.Context, f *logsFlags, places []logs.Place, names []string) (sections []string, err error) {
	known := sectionsOf(places)
	all, unknown := make([]monitor.Section, len(places)), ""
	for i := range places {
		all[i].Name = known[i]
	}
	if slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(known, name) }) {
		all, unknown = a.withServices(ctx, f, all)
	}
	for _, name := range names {
		s, err := monitor.Find(all, name)
		switch {
		case err != nil && unknown != "":
			return nil, fmt.Errorf("%w\nThe names of services are not known: %s", err, unknown)
		case err != nil:
			return nil, err
		case !slices.Contains(known, s.Name):
			return nil, fmt.Errorf("section %s has no log yet: there are logs of %s", s.Name, strings.Join(known, ", "))
		}
		sections = append(sections, s.Name)
	}
	return sections, nil
}

// withServices returns the sections of the manager that runs, which says what they serve, and those beside them that have a log
// only. Where there are none of it, unknown says why.
func (a *app) withServices(ctx context.Context, f *logsFlags, logged []monitor.Section) (all []monitor.Section, unknown string) {
	if f.logDir != "" {
		return logged, "with --log-dir no manager is asked"
	}
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	c, err := a.manager()
	if err != nil {
		return logged, err.Error()
	}
	defer c.Close()
	status, err := c.Status(ctx, "")
	if err != nil {
		return logged, a.noManager(err).Error()
	}
	all = status.Sections
	for _, s := range logged {
		if !slices.ContainsFunc(status.Sections, func(other monitor.Section) bool { return other.Name == s.Name }) {
			all = append(all, s)
		}
	}
	if len(status.Sections) == 0 {
		unknown = "the manager still builds its programs"
	}
	return all, unknown
}

// choosePlaces returns the logs of sections, and that of the manager, which speaks of them.
func choosePlaces(all []logs.Place, sections []string) []logs.Place {
	return slices.DeleteFunc(slices.Clone(all), func(p logs.Place) bool {
		return p.Section != logs.Manager && !slices.Contains(sections, p.Section)
	})
}

// ofSections returns what is true for the lines of sections, and of what the manager says of them, that match.
func ofSections(sections []string, match func(*logs.Record) bool) func(*logs.Record) bool {
	return func(r *logs.Record) bool {
		of := slices.Contains(sections, cmp.Or(r.Section, logs.Manager)) || r.Stream == logs.Manager && slices.Contains(sections, logs.Manager)
		return of && match(r)
	}
}

func sectionsOf(places []logs.Place) []string {
	var names []string
	for _, p := range places {
		names = append(names, p.Section)
	}
	return names
}

// query returns what the flags ask for, of all sections.
func (f *logsFlags) query() (*logs.Query, error) {
	q := &logs.Query{Last: f.last, Follow: f.follow}
	least := zerolog.TraceLevel
	var grep *regexp.Regexp
	var err error
	if f.level != "" {
		if least, err = zerolog.ParseLevel(strings.ToLower(f.level)); err != nil || !slices.Contains(levelNames(), least.String()) {
			return nil, usagef("--level: there is no level %q: use one of %s", f.level, strings.Join(levelNames(), ", "))
		}
	}
	if f.since != "" {
		if q.Since, err = parseSince(f.since, time.Now()); err != nil {
			return nil, err
		}
	}
	if f.grep != "" {
		if grep, err = regexp.Compile(f.grep); err != nil {
			return nil, usagef("--grep: %w", err)
		}
	}
	switch {
	case f.last < 0:
		return nil, usagef("--lines is %d: use the number of lines, or 0 for all", f.last)
	case f.worker < 0:
		return nil, usagef("--worker is %d: use the number of a worker, from 1", f.worker)
	case f.stream != "" && !slices.Contains([]string{"stdout", "stderr", logs.Manager}, f.stream):
		return nil, usagef("--stream: there is no stream %q: use stdout, stderr or %s", f.stream, logs.Manager)
	}
	q.Match = func(r *logs.Record) bool {
		return r.Level >= least && (f.worker == 0 || r.Worker == f.worker) &&
			(f.stream == "" || r.Stream == f.stream) && (grep == nil || grep.MatchString(r.Body()))
	}
	return q, nil
}

// parseSince returns the time that value means: so long before now, or a time, of today and of here where it does not say.
func parseSince(value string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(value); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, value); err == nil {
		return t, nil
	}
	for _, layout := range []string{time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, value, now.Location()); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{time.TimeOnly, "15:04"} {
		if t, err := time.Parse(layout, value); err == nil {
			return time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), now.Location()), nil
		}
	}
	return time.Time{}, usagef("--since: %q is neither a duration nor a time: write 10m, 15:04, 2006-01-02 or \"2006-01-02 15:04:05\"", value)
}
