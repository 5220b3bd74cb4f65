// Command bench measures hotline beside what Go programs use today to call another process: every peer as two
// processes, one after the other in rounds, between calibrations by what a cache line needs from core to core.
//
//	go run .                      all of it: about a quarter of an hour
//	go run . -quick               a first look: about two minutes
//	go run . -scenario grid -size 16 -callers 1,8 -peers hotline,gRPC
//
// What is measured goes to the directory of -out: results.csv has a line for each peer, cell and round; report.md the
// medians, their spread and the goals; the charts are SVG. With -add, the lines that are there are kept and the report is
// made of all. -doc ../docs/benchmarks.md renews the project's own page. Ctrl-C ends it and keeps what was measured. It is for Linux.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"hotline/bench/report"
)

func main() {
	if role := os.Getenv(roleVariable); role != "" {
		exit(playRole(role))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	exit(bench(ctx, os.Args[1:]))
}

func exit(err error) {
	switch {
	case err == nil:
		os.Exit(0)
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

// options are the flags.
type options struct {
	plan
	command    string // as it is typed, but for where the results go
	out        string
	doc        string
	add        bool
	reportOnly bool
	strict     bool
}

func parse(args []string) (*options, error) {
	o := new(options)
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := flags.Bool("quick", false, "one round of short measurements")
	scenario := flags.String("scenario", strings.Join(scenarios, ","), "what to measure")
	sizes := flags.String("size", "16,1024,65536,1048576", "bytes of an echo in the grid")
	callers := flags.String("callers", "1,8,64", "calling goroutines in the grid")
	peers := flags.String("peers", "", "parts of the names of the peers in the grid (default all)")
	flags.IntVar(&o.rounds, "rounds", 5, "how often everything is measured")
	flags.DurationVar(&o.run, "time", 500*time.Millisecond, "how long a peer is measured in a cell and round")
	flags.DurationVar(&o.warm, "warm", 100*time.Millisecond, "how long a peer is warmed up before that")
	flags.IntVar(&o.calls, "calls", 0, "make so many calls by each caller, in place of -time")
	flags.DurationVar(&o.idle, "idle", 5*time.Second, "how long links are idle")
	flags.IntVar(&o.links, "links", 10_000, "how many idle links at most")
	flags.StringVar(&o.out, "out", "results", "directory of the results")
	flags.StringVar(&o.doc, "doc", "", "a document to put the report into as well, with the charts beside it")
	flags.BoolVar(&o.add, "add", false, "keep the results that are there, and report all")
	flags.BoolVar(&o.reportOnly, "report", false, "measure nothing: report the results that are there")
	flags.BoolVar(&o.strict, "strict", false, "exit with 1 if a peer failed")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unknown argument %q", flags.Arg(0))
	}
	o.command = asTyped(flags)
	if *quick {
		quicken(flags)
	}
	o.scenarios = strings.Split(*scenario, ",")
	if *peers != "" {
		o.plan.peers = strings.Split(*peers, ",")
	}
	var err error
	if o.sizes, err = numbers("size", *sizes); err != nil {
		return nil, err
	}
	if o.plan.callers, err = numbers("callers", *callers); err != nil {
		return nil, err
	}
	if o.rounds < 1 || o.run <= 0 || o.warm < 0 || o.calls < 0 || o.idle <= 0 || o.links < 2 {
		return nil, errors.New("-rounds, -time and -idle must be over 0, -links over 1, -warm and -calls not negative")
	}
	return o, nil
}

// asTyped returns the command line, but for where the results go.
func asTyped(flags *flag.FlagSet) string {
	words := []string{"go run ."}
	flags.Visit(func(f *flag.Flag) {
		switch f.Name {
		case "out", "doc", "add":
		case "quick", "strict":
			words = append(words, "-"+f.Name)
		default:
			words = append(words, "-"+f.Name, f.Value.String())
		}
	})
	return strings.Join(words, " ")
}

// quicken sets what -quick means, but for what the user has set.
func quicken(flags *flag.FlagSet) {
	set := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { set[f.Name] = true })
	for name, value := range map[string]string{"rounds": "1", "time": "100ms", "warm": "30ms", "idle": "1s", "links": "500"} {
		if !set[name] {
			flags.Set(name, value)
		}
	}
}

func numbers(name, list string) ([]int, error) {
	var all []int
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-%s %s: write numbers over 0 with commas between them", name, list)
		}
		all = append(all, n)
	}
	return all, nil
}

// bench is the whole program.
func bench(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	cells, err := o.cells()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	if !o.reportOnly {
		if err := noteCommand(o); err != nil {
			return err
		}
		if err := measure(ctx, o, cells); err != nil {
			return err
		}
	}
	return writeReport(o.out, o.doc)
}

// noteCommand adds the command line and the time to those that the results come from.
func noteCommand(o *options) error {
	mode := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	if !o.add {
		mode |= os.O_TRUNC
	}
	f, err := os.OpenFile(filepath.Join(o.out, commandsName), mode, 0o644)
	if err != nil {
		return err
	}
	text := "`" + o.command + "` at " + time.Now().UTC().Format("2006-01-02 15:04 MST")
	if _, err := fmt.Fprintln(f, text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// measure measures, and returns nil when ctx has ended: what was measured is reported.
func measure(ctx context.Context, o *options, cells []*cell) error {
	w, err := report.NewWriter(filepath.Join(o.out, resultsName), o.add)
	if err != nil {
		return err
	}
	r := &runner{rows: w, progress: os.Stderr}
	err = r.run(ctx, cells, o.rounds)
	if ctx.Err() != nil {
		fmt.Fprintln(os.Stderr, "stopped; what was measured is kept")
		err = nil
	}
	if closing := w.Close(); err == nil {
		err = closing
	}
	if err == nil && o.strict && r.failed > 0 {
		err = fmt.Errorf("%d measurements failed, as said above", r.failed)
	}
	return err
}
