package main

import (
	"context"

	"github.com/spf13/cobra"

	"hotline/manager"
	"hotline/monitor"
)

const serveHelp = `Build and run the services of a file until Ctrl-C.

The file has a section for each service, named like its Go type:

    [defaults]
    log_dir = logs/

    [Server]
    import_from = ./echo      ; a Go package, relative to the file
    min_proc_num = 1          ; worker processes

While it runs, the commands status, top, calls, restart and so on reach it. A
signal SIGHUP makes it read the file again, as reload does; when a terminal that
it writes to hangs up, it stops. Nothing that is shown is waited for: what nobody
reads is in manager.log, beside the logs of the workers.`

func (a *app) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "serve FILE.ini",
		Short:             "Run the services of a file until Ctrl-C",
		Long:              serveHelp,
		Example:           "  hotline serve service.ini",
		Args:              operands(1, 1),
		ValidArgsFunction: completeINI,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.serve(cmd.Context(), args[0]) },
	}
}

func (a *app) serve(ctx context.Context, file string) error {
	command := a.program
	if a.dir != "" {
		command += " --dir " + quote(a.dir)
	}
	return monitor.Serve(ctx, file, &manager.Options{
		Dir: a.dir, Stdout: a.out, CommandName: command, Example: exampleArguments, Systemd: true,
	})
}
