//go:build unix

package manager

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"hotline/internal/worker"
)

// fake is a service's program, as far as a manager sees one: args are what it does, and its service's name and port.
// It answers a TCP connection with its pid.
func fake(args []string) error {
	switch args[0] {
	case "manager":
		return fakeManager(args[1])
	case "mute":
		fmt.Println("I serve nothing")
		return nil
	case "hang":
		select {}
	case "broken":
		fmt.Fprintln(os.Stderr, "no model here")
		return errors.New("can't serve")
	}
	s, err := worker.FromEnv()
	if err != nil {
		return err
	}
	if s == nil {
		return errors.New("no manager started this")
	}
	about := []worker.Description{{Type: "fake.Server", Name: args[1], Port: args[2], Version: "1.2.3", Methods: []worker.Method{
		{Name: "PID", Signature: "PID() (int, error)", Codec: "json", Doc: "PID returns the\nworker's pid."}}}}
	if s.Mode == worker.Describe {
		if args[0] == "empty" {
			about = nil
		}
		return s.Describe(about)
	}
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	switch args[0] {
	case "crash":
		fmt.Fprintln(os.Stderr, "first word\nlast\x1b[31m word")
		os.Exit(3)
	case "slow":
		<-terminated
		return nil
	case "garbage":
		f := os.NewFile(uintptr(s.ControlFD), "control")
		fmt.Fprintln(f, "hello")
		select {}
	case "fork": // leaves a child in its group, that holds its pipes and its end of nothing
		if err := exec.Command("sleep", "1000").Start(); err != nil {
			return err
		}
	case "chatty":
		for i := range 500 {
			fmt.Println("line", i)
		}
		fmt.Fprint(os.Stderr, strings.Repeat("x", 3*maxLine)+"\n", "the end, without a line end")
	}
	for _, fd := range s.Listeners {
		l, err := net.FileListener(os.NewFile(uintptr(fd), "listener"))
		if err != nil {
			return err
		}
		go tellPID(l)
	}
	if err := s.Ready(about, []string{fmt.Sprint("fake://", os.Getpid(), " ", s.TCPBind)}); err != nil {
		return err
	}
	fmt.Println("serving as", os.Getenv("HOTLINE_DIR"))
	if args[0] == "stubborn" {
		select {}
	}
	if args[0] != "deaf" { // else it does not know that its manager is gone, but obeys SIGTERM
		select {
		case <-s.Done():
		case <-terminated:
		}
	} else {
		<-terminated
	}
	fmt.Println("stopped")
	return nil
}

func tellPID(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		fmt.Fprintln(c, os.Getpid())
		c.Close()
	}
}

// fakeManager runs the service.ini in the directory that it is started in, until it is killed.
func fakeManager(file string) error {
	config, err := Load(file + ".ini")
	if err != nil {
		return err
	}
	m, err := New(config, &Options{Stdout: os.Stdout})
	if err != nil {
		return err
	}
	return m.Run(context.Background())
}
