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
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"hotline"
	"hotline/internal/logs"
	"hotline/internal/worker"
	"hotline/registry"
)

// fake is a service's program, as far as a manager sees one: args are what it does, and its service's name and port.
// It answers a TCP connection with its pid.
func fake(args []string) error {
	switch args[0] {
	case "manager":
		return fakeManager(args[1])
	case "lab":
		return serveLab()
	case "real":
		var server hotline.Server
		if err := server.Register(&hotline.NetRPC{Receiver: new(Fake), Name: args[1], Port: args[2], Version: "1.2.3"}); err != nil {
			return err
		}
		return server.Serve(context.Background())
	case "mute":
		fmt.Println("I serve nothing")
		return nil
	case "hang":
		select {}
	case "family", "defiant", "stuck":
		return serveFamily(args[0], args[1], args[2])
	case "marks":
		return serveMarks()
	case "share":
		return shareMemory()
	case "late":
		return hotline.Serve(context.Background(), new(lateServer))
	case "work":
		return workServer(args[1], args[2])
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
	case "fourth": // the fourth start of the lab's is a bad one
		n, err := countStarts(filepath.Join(filepath.Dir(os.Args[0]), "starts"))
		if err != nil {
			return err
		}
		if n == 4 {
			return errors.New("not this time")
		}
	case "garbage":
		f := os.NewFile(uintptr(s.ControlFD), "control")
		fmt.Fprintln(f, "hello")
		select {}
	case "fork": // leaves a child in its group, that holds its pipes and its end of nothing
		if err := exec.Command("sleep", "1000").Start(); err != nil {
			return err
		}
	case "stubborn":
		fmt.Println("asked to end within", s.StopTimeout)
	case "chatty":
		for i := range 500 {
			fmt.Println("line", i)
		}
		fmt.Fprint(os.Stderr, strings.Repeat("x", 3*logs.MaxLine)+"\n", "the end, without a line end")
	}
	for _, fd := range s.Listeners {
		l, err := net.FileListener(os.NewFile(uintptr(fd), "listener"))
		if err != nil {
			return err
		}
		go tellPID(l)
	}
	stop, addresses, err := serveFake(args[1], args[2])
	if err != nil {
		return err
	}
	defer stop()
	addresses = append([]string{fmt.Sprint("fake://", os.Getpid(), " ", s.TCPBind)}, addresses...)
	if args[0] == "gated" {
		if addresses, err = gated(addresses); err != nil {
			return err
		}
	}
	if args[0] == "unreachable" {
		addresses = addresses[:1]
	}
	if err := s.Ready(about, addresses); err != nil {
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

// countStarts returns how often it was called with a file.
func countStarts(file string) (int64, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if _, err := f.Write([]byte{'.'}); err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// serveFake serves a service of the name and port, as every worker does, and returns its addresses.
func serveFake(name, port string) (stop func(), addresses []string, err error) {
	quiet := zerolog.Nop()
	server := &hotline.Server{Logger: &quiet}
	if err := server.Register(&hotline.NetRPC{Receiver: new(Fake), Name: name, Port: port, Version: "1.2.3"}); err != nil {
		return nil, nil, err
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(context.Background()) }()
	dir, err := registry.Open("")
	if err != nil {
		return nil, nil, err
	}
	for {
		select {
		case err := <-done:
			return nil, nil, err
		case <-time.After(time.Millisecond):
		}
		all, err := dir.Lookup(name)
		if err != nil {
			return nil, nil, err
		}
		for _, i := range all {
			if i.PID == os.Getpid() && i.State == registry.Ready {
				return func() { server.Close() }, i.Addresses, nil
			}
		}
	}
}

// Fake is the receiver of a fake worker's methods.
type Fake struct{}

// PID returns the worker's pid.
func (*Fake) PID(_ bool, pid *int) error {
	*pid = os.Getpid()
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
