package main

import (
	"context"

	"github.com/spf13/cobra"

	"hotline/manager"
)

const serveHelp = `Build and run the services of a file until Ctrl-C.

The file has a section for each service, named like its Go type:

    [defaults]
    log_dir = logs/

    [Server]
    import_from = ./echo      ; a Go package, relative to the file
    min_proc_num = 1          ; worker processes`

func (a *app) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "serve FILE.ini",
		Short:   "Run the services of a file until Ctrl-C",
		Long:    serveHelp,
		Example: "  hotline serve service.ini",
		Args:    cobra.ExactArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return []cobra.Completion{"ini"}, cobra.ShellCompDirectiveFilterFileExt
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.serve(cmd.Context(), args[0]) },
	}
}

func (a *app) serve(ctx context.Context, file string) error {
	config, err := manager.Load(file)
	if err != nil {
		return err
	}
	command := a.program
	if a.dir != "" {
		command += " --dir " + quote(a.dir)
	}
	m, err := manager.New(config, &manager.Options{
		Dir: a.dir, Stdout: a.out, CommandName: command, Example: exampleArguments,
	})
	if err != nil {
		return err
	}
	return m.Run(ctx)
}
