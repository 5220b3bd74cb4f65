// Command hotline runs services, shows which are there, and calls their methods.
//
//	hotline serve service.ini              run the services of a file until Ctrl-C
//	hotline build service.ini -o DIR       make them a directory that needs no Go
//	hotline ls                             what runs on this machine
//	hotline logs -f Server                 what the workers of a section write
//	hotline describe echo_serv             the methods of a service
//	hotline call echo_serv Sum 2 3         call one
//	hotline bench echo_serv Sum 2 3        call one for some seconds, and measure
//
// It exits with 0 when all is well, with 1 when what was asked for failed, and with 2 when the command line is wrong:
// an unknown command, flag or method, or arguments that the method does not take.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)     // a second Ctrl-C ends the program at once
	executable, _ := os.Executable() // where it is not known, the program is called as it was typed
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, program: programName(executable, os.Args[0])}
	code := a.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
