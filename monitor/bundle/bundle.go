package bundle

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"hotline"
	"hotline/internal/worker"
	"hotline/manager"
	"hotline/monitor"
)

// Service is the service of one section.
type Service struct {
	Section string

	// Make makes the service. With describe it is only to be asked what it serves, and its constructor is not called.
	Make func(describe bool) (any, error)

	Docs map[string]string // as [hotline.Server.Docs]
}

// Main is the main function, and does not return. Started by a manager, the program is a
// worker of the section that it is started for. Started by anybody else, it is a manager: `serve [FILE.ini]` runs the
// services of a file, by default that of the given name beside the program.
func Main(file string, services []Service) {
	err := run(file, services, os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(file string, services []Service, args []string) error {
	settings, err := worker.Peek()
	switch {
	case err != nil:
		return err
	case settings != nil:
		return work(context.Background(), services, settings) // a constructor ends by SIGTERM, and the server takes it then
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	return manage(ctx, file, services, args)
}

// work serves the section that a manager has started this process for.
func work(ctx context.Context, services []Service, settings *worker.Settings) error {
	var names []string
	for i := range services {
		s := &services[i]
		if s.Section != settings.Section {
			names = append(names, s.Section)
			continue
		}
		server := &hotline.Server{Docs: s.Docs}
		value, err := s.Make(settings.Mode == worker.Describe)
		if err != nil {
			return err
		}
		if err := server.Register(value); err != nil {
			return err
		}
		return server.Serve(ctx)
	}
	return fmt.Errorf("this program holds no section [%s], but %s: give the section the name that it was built with",
		settings.Section, strings.Join(names, ", "))
}

// manage is the command line.
func manage(ctx context.Context, file string, services []Service, args []string) error {
	program := filepath.Base(os.Args[0])
	flags := flag.NewFlagSet(program, flag.ContinueOnError)
	dir := flags.String("dir", "", "directory of the running services (default $HOTLINE_DIR, else $XDG_RUNTIME_DIR/hotline)")
	flags.Usage = func() {
		out := flags.Output()
		fmt.Fprintf(out, "usage: %s serve [--dir DIR] [FILE.ini]\n\nRuns the services of a file, by default of %s beside this program; "+
			"SIGHUP reads it again:\n", program, file)
		for _, s := range services {
			fmt.Fprintf(out, "  %s\n", s.Section)
		}
		fmt.Fprintln(out, "\nThe hotline command shows, controls and calls them: hotline ls, describe, call, status, top, restart and so on.")
	}
	if len(args) == 0 || args[0] != "serve" {
		flags.Usage()
		return flag.ErrHelp
	}
	if err := flags.Parse(args[1:]); err != nil {
		return flag.ErrHelp // which Parse has explained
	}
	switch flags.NArg() {
	case 0:
		self, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find %s beside this program: %w: name the file", file, err)
		}
		file = filepath.Join(filepath.Dir(self), file)
	case 1:
		file = flags.Arg(0)
	default:
		flags.Usage()
		return flag.ErrHelp
	}
	return monitor.Serve(ctx, file, &manager.Options{Dir: *dir, Stdout: os.Stdout, Systemd: true})
}
