package main

import (
	"github.com/spf13/cobra"

	"hotline/manager"
)

const buildHelp = `Make a directory of one program and a file to run it by, for machines without Go.

The program holds the services of all sections and the manager:

    hotline build service.ini -o dist
    dist/hotline-services serve            ; or: hotline serve dist/service.ini

Either is reached by status, top, restart and so on. The same sources give the
same bytes. GOOS and GOARCH choose the system. The program is static, unless
CGO_ENABLED=1 is set.`

func (a *app) buildCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:               "build FILE.ini -o DIR",
		Short:             "Make a directory that runs the services of a file without Go",
		Long:              buildHelp,
		Example:           "  hotline build service.ini -o dist",
		Args:              operands(1, 1),
		ValidArgsFunction: completeINI,
		RunE: func(cmd *cobra.Command, args []string) error {
			if dir == "" {
				return usagef("say which directory to make, as in -o dist")
			}
			config, err := manager.Load(args[0])
			if err != nil {
				return err
			}
			return manager.Build(cmd.Context(), config, dir, &manager.BuildOptions{Stdout: a.out})
		},
	}
	// The directory is -o, as it is of go build, and here that is not the format of the output.
	cmd.Flags().StringVarP(&dir, "output", "o", "", "the directory to make")
	cmd.MarkFlagDirname("output")
	return cmd
}
