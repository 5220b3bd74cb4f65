package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"hotline/internal/wait"
)

// unitManager plays systemd for one service.
type unitManager struct {
	t    *testing.T
	sock *net.UnixConn
	env  []string

	mu   sync.Mutex
	said []string
}

func newUnitManager(t *testing.T) *unitManager {
	t.Helper()
	path := filepath.Join(runtimeDir(t), "notify")
	sock, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	u := &unitManager{t: t, sock: sock, env: []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=200000"}}
	var reading sync.WaitGroup
	reading.Go(func() {
		for b := make([]byte, 64<<10); ; {
			n, err := sock.Read(b)
			if err != nil {
				return
			}
			u.mu.Lock()
			u.said = append(u.said, strings.Split(string(b[:n]), "\n")...)
			u.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		sock.Close()
		reading.Wait()
	})
	return u
}

// count returns how many lines match.
func (u *unitManager) count(pattern string) (n int) {
	re := regexp.MustCompile("^" + pattern + "$")
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, line := range u.said {
		if re.MatchString(line) {
			n++
		}
	}
	return n
}

func (u *unitManager) await(pattern string, n int) {
	u.t.Helper()
	wait.Until(u.t, "systemd to hear "+pattern, func() bool { return u.count(pattern) >= n })
}

// command returns `hotline serve` of a file, with listening sockets as systemd passes them.
func (u *unitManager) command(dir, file string, names string, sockets ...*os.File) *exec.Cmd {
	cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" serve "$1"`, binary, file) // only the process itself knows its number
	cmd.Env = append(os.Environ(), "HOTLINE_DIR="+dir)
	cmd.Env = append(cmd.Env, u.env...)
	if len(sockets) > 0 {
		cmd.Env = append(cmd.Env, fmt.Sprint("LISTEN_FDS=", len(sockets)), "LISTEN_FDNAMES="+names)
	}
	cmd.ExtraFiles = sockets
	return cmd
}

// listener opens a socket as systemd does.
func listener(t *testing.T, address string) *os.File {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// labPort is the port of the service in testdata.
const labPort = "7411"

// ownHost returns a loopback address where others don't have the lab's port: all of 127.0.0.0/8 is this machine.
func ownHost() string {
	return fmt.Sprintf("127.%d.%d.%d", 1+rand.N(254), rand.N(256), 1+rand.N(254))
}

// A real manager under a systemd that the test plays: it is ready when its services are, is called at the port that
// systemd opened, answers the watchdog, and says that it stops.
func TestSystemd(t *testing.T) {
	u := newUnitManager(t)
	dir := runtimeDir(t)
	host := ownHost()
	port := listener(t, host+":"+labPort)
	place := runtimeDir(t)
	cmd := u.command(dir, labINI(t, place, "tcp_bind = "+host+"\nmin_proc_num = 2"), "lab", port)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	wait.Until(t, "ready", func() bool {
		if len(ended) > 0 {
			t.Fatalf("serve ended: %v\n%s", <-ended, &out)
		}
		return u.count("READY=1") == 1
	})
	u.await("STATUS=building", 1)
	u.await("STATUS=1 section, 2 workers ready", 1)
	got := hotlineIn(t, dir, "", "call", "lab", "Sum", "2", "3", "--address", "tcp://"+host+":"+labPort)
	if got.code != 0 || strings.TrimSpace(got.stdout) != "5" {
		t.Errorf("a call at systemd's socket: got %+v", got)
	}
	u.await("WATCHDOG=1", u.count("WATCHDOG=1")+3)

	for n, ini := range []string{"tcp_bind = " + host, "no_such_key = 1"} { // a reload that fails has ended, too
		labINI(t, place, ini)
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		u.await("RELOADING=1", n+1)
		u.await("READY=1", n+2)
	}
	u.await("STATUS=1 section, 1 worker ready", 2)

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("serve: %v\n%s", err, &out)
	}
	u.await("STOPPING=1", 1)
	if u.count("READY=1") != 3 || u.count("STATUS=failed.*") != 0 {
		t.Errorf("systemd heard %q", u.said)
	}
}

// Sockets that are no service's are an error that names them and the way out.
func TestSystemdSocketsThatFitNoService(t *testing.T) {
	u := newUnitManager(t)
	host := ownHost()
	elsewhere, wrong := listener(t, "127.0.0.1:0"), listener(t, host+":"+labPort)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(runtimeDir(t), "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	unixSocket, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer unixSocket.Close()
	file := labINI(t, runtimeDir(t), "tcp_bind = ::1")
	for _, c := range []struct {
		names   string
		sockets []*os.File
		wants   []string
	}{
		{"odd:lab", []*os.File{elsewhere, wrong}, []string{
			"no service is for the socket odd of systemd, 127.0.0.1:", "the ports of the services are " + labPort,
			"no service is for the socket lab of systemd, " + host + ":" + labPort + ": the port is that of lab: set tcp_bind = " + host + " in [Lab], where it is \"::1\""}},
		{"path", []*os.File{unixSocket}, []string{"the socket path of systemd is not one for a service: it listens on unix"}},
	} {
		out, err := u.command(runtimeDir(t), file, c.names, c.sockets...).CombinedOutput()
		for _, want := range c.wants {
			if err == nil || !strings.Contains(string(out), want) {
				t.Errorf("%s: got %v, %s\nwant %s", c.names, err, out, want)
			}
		}
	}
	u.await("STATUS=failed: .*no service is for the socket odd.*", 1)
	if u.count("READY=1") > 0 {
		t.Error("a manager that failed was ready")
	}
}

// The units in docs are what systemd takes.
func TestSystemdUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd is not installed here, which says whether its units are right")
	}
	dir := t.TempDir()
	for _, name := range []string{"hotline.service", "hotline.socket"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		text = bytes.ReplaceAll(text, []byte("/opt/services/hotline-services"), []byte(binary)) // a program that is there
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(analyze, "verify", "--man=no", filepath.Join(dir, "hotline.service"), filepath.Join(dir, "hotline.socket"))
	cmd.Env = append(os.Environ(), "SYSTEMD_LOG_LEVEL=warning")
	if out, err := cmd.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}
