package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hotline/internal/logs"
	"hotline/internal/plural"
	"hotline/monitor"
)

const manageHelp = `

NAME is that of a section of the manager's file, or the name or port of a
service that one section serves. The command waits until it is done, and shows
what happens; Ctrl-C ends the waiting, not what the manager does. With --no-wait
it returns at once. With -o json progress goes to the standard error, and one
value is printed at the end.`

// managed is what a command did, as it is printed for scripts.
type managed struct {
	Command monitor.Verb     `json:"command"`
	Name    string           `json:"name,omitempty"`    // as it was given
	Section string           `json:"section,omitempty"` // that it is, or has a service, of that name
	Workers int              `json:"workers,omitempty"`
	DryRun  bool             `json:"dry_run,omitempty"`
	Done    bool             `json:"done"`             // false with --no-wait
	Changes []monitor.Change `json:"changes,omitzero"` // of a reload, which may have none
	Seconds float64          `json:"seconds"`
}

// manageCommands returns the commands that change what a manager does.
func (a *app) manageCommands() []*cobra.Command {
	return []*cobra.Command{
		a.sectionCommand(monitor.Start, "Start a section that was stopped",
			"Start the workers of a section that was stopped, and wait until they are ready."),
		a.sectionCommand(monitor.Stop, "Stop the workers of a section",
			"Stop the workers of a section. They have stop_timeout to finish their calls,\nand are killed then. The section stays stopped until it is started."),
		a.sectionCommand(monitor.Restart, "Replace the workers of a section, one after the other",
			"Replace the workers of a section one after the other, without a failed call: the\nprogram is built again where its source has changed, a new worker is started, and\nwhen it is ready an old one finishes its calls, for which it has drain_timeout,\nand ends. If a new one fails, the old ones stay."),
		a.sectionCommand(monitor.Drain, "Stop the workers of a section, without a limit of time",
			"Stop the workers of a section as stop does, but give them all the time that\ntheir calls need; one that is not ready is stopped. The section stays stopped\nuntil it is started."),
		a.scaleCommand(), a.reloadCommand(),
	}
}

func (a *app) sectionCommand(verb monitor.Verb, short, long string) *cobra.Command {
	c := monitor.Command{Verb: verb}
	cmd := &cobra.Command{
		Use:               string(verb) + " NAME",
		Short:             short,
		Long:              long + manageHelp,
		Example:           fmt.Sprintf("  hotline %s Server\n  hotline %s echo_serv --no-wait", verb, verb),
		Args:              operands(1, 1),
		ValidArgsFunction: a.completeSections,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.Name = args[0]
			return a.manage(cmd.Context(), c)
		},
	}
	noWait(cmd, &c)
	return cmd
}

func (a *app) scaleCommand() *cobra.Command {
	c := monitor.Command{Verb: monitor.Scale}
	cmd := &cobra.Command{
		Use:               "scale NAME N",
		Short:             "Set how many workers a section has",
		Long:              "Set how many workers a section has, from min_proc_num to max_proc_num, and wait\nuntil they are ready." + manageHelp,
		Example:           "  hotline scale Server 4",
		Args:              operands(2, 2),
		ValidArgsFunction: a.completeSections,
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := strconv.Atoi(strings.TrimPrefix(args[1], shield))
			if err != nil || n < 1 {
				return usagef("scale to %q workers: use a number from 1 on, or stop the section", args[1])
			}
			c.Name, c.Workers = args[0], n
			return a.manage(cmd.Context(), c)
		},
	}
	noWait(cmd, &c)
	return cmd
}

func (a *app) reloadCommand() *cobra.Command {
	c := monitor.Command{Verb: monitor.Reload}
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Make the manager do what its file says now",
		Long: `Have the manager read its file again and make what runs as it says: what did not
change is not touched. A signal SIGHUP to the manager does the same. With
--dry-run nothing is changed, and the plan is printed.

The command waits until all is done, and shows what happens; Ctrl-C ends the
waiting, not what the manager does. With --no-wait it returns at once. With
-o json progress goes to the standard error, and one value is printed at the end.`,
		Example: "  hotline reload --dry-run\n  hotline reload",
		Args:    operands(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if c.DryRun && c.NoWait {
				return usagef("use --dry-run or --no-wait, not both: a plan is waited for")
			}
			return a.manage(cmd.Context(), c)
		},
	}
	cmd.Flags().BoolVar(&c.DryRun, "dry-run", false, "print what would be done, and do nothing")
	noWait(cmd, &c)
	return cmd
}

func noWait(cmd *cobra.Command, c *monitor.Command) {
	cmd.Flags().BoolVar(&c.NoWait, "no-wait", false, "return at once; manager.log and the manager's output say how it ends")
}

// manage has the manager do something.
func (a *app) manage(ctx context.Context, c monitor.Command) error {
	m, err := a.manager()
	if err != nil {
		return err
	}
	defer m.Close()
	progress := a.out
	if a.json() {
		progress = a.err
	}
	began, last := time.Now(), ""
	out, err := m.Do(ctx, c, func(line string) {
		last = logs.Clean(line)
		fmt.Fprintln(progress, last)
	})
	if err != nil {
		return a.noManager(err)
	}
	if out.Missed > 0 {
		fmt.Fprintf(progress, "(%s of progress came too fast to be shown)\n", plural.Of(out.Missed, "line"))
	}
	if a.json() {
		return a.printJSON(managed{c.Verb, c.Name, out.Section, c.Workers, c.DryRun, !out.Begun, out.Changes, time.Since(began).Seconds()})
	}
	if c.Verb == monitor.Reload && !out.Begun {
		return a.printChanges(out.Changes, c.DryRun)
	}
	if text := a.outcomeText(c, out); text != last { // which the manager may have said
		_, err = fmt.Fprintln(a.out, text)
	}
	return err
}

// outcomeText says how a command ended, but for a reload.
func (a *app) outcomeText(c monitor.Command, out *monitor.Outcome) string {
	if out.Begun {
		return fmt.Sprintf("%s has begun: %s status shows how it goes", c.Verb, a.program)
	}
	done := map[monitor.Verb]string{monitor.Start: "ready", monitor.Stop: "stopped", monitor.Drain: "stopped",
		monitor.Restart: "restarted", monitor.Scale: plural.Of(c.Workers, "worker")}
	return fmt.Sprintf("%s: %s", cell(out.Section), done[c.Verb])
}

func (a *app) printChanges(changes []monitor.Change, dryRun bool) error {
	if len(changes) == 0 {
		_, err := fmt.Fprintln(a.out, "Nothing has changed.")
		return err
	}
	title := "DONE"
	if dryRun {
		title = "WOULD"
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\tSECTION\tWHY\n", title)
	for _, c := range changes {
		fmt.Fprintf(w, "%s\t%s\t%s\n", cell(string(c.Action)), cell(c.Section), cell(c.Why))
	}
	return w.Flush()
}
