package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"hotline/monitor"
)

const topHelp = `Show what the manager's workers do, again and again: for each section and worker
the calls a second, the time that half of them and 99 of 100 took at most, errors
a second, how many calls are open, CPU time in percent of one CPU, memory, and the
age and method of the oldest open call. All but open and memory are of the last
interval.

The keys q and Ctrl-C end it, j, k and the arrows scroll. Where the standard
output is no terminal, and with --once, one screen is printed after one interval;
with -o json it is one value.`

// minInterval keeps top from being a load of its own.
const minInterval = 100 * time.Millisecond

// printedWidth is that of a screen that is printed elsewhere than on a terminal.
const printedWidth = 120

func (a *app) topCommand() *cobra.Command {
	once, interval := false, time.Duration(0)
	cmd := &cobra.Command{
		Use:               "top [NAME]",
		Short:             "Show what the workers do, live",
		Long:              topHelp,
		Example:           "  hotline top\n  hotline top --once --interval 5s",
		Args:              operands(0, 1),
		ValidArgsFunction: a.completeSections,
		RunE: func(cmd *cobra.Command, args []string) error {
			if interval < minInterval {
				return usagef("--interval %v: use %v or more", interval, minInterval)
			}
			return a.top(cmd.Context(), first(args), interval, once)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "print one screen and end")
	cmd.Flags().DurationVarP(&interval, "interval", "i", time.Second, "between two looks, as in 500ms or 5s")
	return cmd
}

func (a *app) top(ctx context.Context, name string, interval time.Duration, once bool) error {
	c, err := a.manager()
	if err != nil {
		return err
	}
	defer c.Close()
	before, err := c.Figures(ctx, name)
	if err != nil {
		return a.noManager(err)
	}
	out := isTerminal(a.out)
	if !once && out != nil && !a.json() && !isDumb() {
		t, err := enter(out, a.in)
		if err != nil {
			return err
		}
		defer t.leave()
		watch := &topWatch{a: a, client: c, terminal: t, name: name, before: before, colours: a.hasColours()}
		return watch.run(ctx, interval)
	}
	select {
	case <-time.After(interval):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	now, err := c.Figures(ctx, name)
	if err != nil {
		return a.noManager(err)
	}
	a.warnUnread(now)
	view := newTop(before, now)
	if a.json() {
		return a.printJSON(view)
	}
	picture, _ := view.draw(screenSize{width: printedWidth}, false, "", 0)
	_, err = fmt.Fprintln(a.out, picture)
	return err
}

// topWatch is a live screen.
type topWatch struct {
	a        *app
	client   *monitor.Client
	terminal *terminal
	name     string
	colours  bool

	before *monitor.Figures // of the look before
	view   *topView
	note   string // what is wrong
	skip   int    // rows that are scrolled away
}

// look is what the manager answered.
type look struct {
	figures *monitor.Figures
	err     error
}

// run looks and shows until the user has seen enough. A manager that ends is waited for.
func (w *topWatch) run(ctx context.Context, interval time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	looks, done := make(chan look), make(chan struct{})
	go func() {
		defer close(done)
		w.look(ctx, interval, looks)
	}()
	defer func() {
		cancel()
		<-done
	}()
	resized, stop := onResize()
	defer stop()
	w.view = newTop(w.before, w.before)
	w.note = fmt.Sprintf("the first figures come in %v", interval)
	for {
		if err := w.show(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil // Ctrl-C where there is no keyboard, or SIGTERM
		case l := <-looks:
			w.take(l)
		case <-resized:
		case k := <-w.terminal.keys:
			switch k {
			case keyQuit:
				return nil
			case keyUp:
				w.skip--
			case keyDown:
				w.skip++
			}
		}
	}
}

// look asks the manager once in an interval until ctx ends. A manager that hangs doesn't hold up the keyboard.
func (w *topWatch) look(ctx context.Context, interval time.Duration, looks chan<- look) {
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
		f, err := w.client.Figures(ctx, w.name)
		select {
		case looks <- look{f, err}:
		case <-ctx.Done():
			return
		}
	}
}

func (w *topWatch) take(l look) {
	if l.err != nil {
		w.note = cell(w.a.noManager(l.err).Error())
		return
	}
	w.view, w.before, w.note = newTop(w.before, l.figures), l.figures, ""
	for i := range l.figures.Sections {
		for _, f := range l.figures.Sections[i].Figures {
			if f.Unread != "" {
				w.note = cell(fmt.Sprintf("%s/%d can't be read: %s", l.figures.Sections[i].Name, f.Number, f.Unread))
			}
		}
	}
}

func (w *topWatch) show() error {
	var picture string
	picture, w.skip = w.view.draw(w.terminal.size(), w.colours, w.note, w.skip)
	return w.terminal.show(picture)
}
