//go:build unix

package manager

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"hotline"
)

// serveFamily serves as a service's program does, with a child that inherits all that it can, the TCP ports too. The child of a
// defiant one does not heed SIGTERM; a stuck one's Stop method does not return.
func serveFamily(what, name, port string) error {
	child := exec.Command("sleep", "1000")
	if what == "defiant" {
		child = exec.Command("sh", "-c", "trap '' TERM; sleep 1000; sleep 1000")
	}
	if err := child.Start(); err != nil {
		return err
	}
	var server hotline.Server
	err := server.Register(&hotline.NetRPC{Receiver: new(Fake), Name: name, Port: port, Version: "1.2.3"})
	if err == nil && what == "stuck" {
		err = server.Register(new(stuckServer))
	}
	if err != nil {
		return err
	}
	return server.Serve(context.Background())
}

// stuckServer can't be stopped.
type stuckServer struct {
	hotline.ServerMethodsBase `port:"stuck" name:"stuck"`
}

func (*stuckServer) Echo(data []byte) []byte    { return data }
func (*stuckServer) Stop(context.Context) error { select {} }

// sharedSize is how much memory shareMemory has in common with others.
const sharedSize = 64 << 20

// shareMemory maps descriptor 3 and reads all of it, says so, and waits for the end of its input.
func shareMemory() error {
	pages, err := unix.Mmap(3, 0, sharedSize, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	sum := byte(0)
	for i := 0; i < len(pages); i += os.Getpagesize() {
		sum += pages[i]
	}
	if _, err := os.Stdout.Write([]byte{sum}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, unix.Munmap(pages))
}
