package hsem_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"hotline/hsem"
	"hotline/internal/wait"
)

// roleEnv tells the test binary that it is a second process: what to do, and with which arguments.
const roleEnv = "HOTLINE_HSEM_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		if err := play(strings.Split(role, "\n")); err != nil {
			fmt.Fprintln(os.Stderr, strings.ReplaceAll(role, "\n", " ")+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// play is what a second process does: args is a role, the kind and the name of a semaphore, and what the role needs more.
func play(args []string) error {
	role, kind, name := args[0], args[1], args[2]
	switch role {
	case "churn":
		return churn(kind, name, number(args[3]))
	case "full":
		return full()
	}
	sem, err := openKind(kind, name, hsem.ConnectToExisting, 1)
	if err != nil {
		return err
	}
	defer sem.Close()
	stdin := bufio.NewReader(os.Stdin)
	switch role {
	case "hold": // takes it, says so, and unlocks when it is told to
		if err := sem.Lock(context.Background()); err != nil {
			return err
		}
		fmt.Println("locked")
		if _, err := stdin.ReadString('\n'); err != nil {
			return err
		}
		return sem.Unlock()
	case "wait": // says what Lock says
		fmt.Println("waiting")
		err := sem.Lock(context.Background())
		fmt.Println(word(err))
		if err == nil || errors.Is(err, hsem.ErrOwnerDied) {
			return sem.Unlock()
		}
	case "post":
		return sem.Unlock()
	case "idle": // waits, and tells how many ticks of CPU time the whole process has used by the time that it is asked
		before := ticks()
		go func() {
			fmt.Println("waiting")
			stdin.ReadString('\n')
			fmt.Println(ticks() - before)
		}()
		return sem.Lock(context.Background())
	case "hammer": // adds to the counter in a file, under the lock
		mem, err := mapFile(args[4])
		if err != nil {
			return err
		}
		fmt.Println("ready")
		if _, err := stdin.ReadString('\n'); err != nil {
			return err
		}
		for range number(args[3]) {
			if err := sem.Lock(context.Background()); err != nil && !errors.Is(err, hsem.ErrOwnerDied) {
				return err
			}
			count(mem)
			if err := sem.Unlock(); err != nil {
				return err
			}
		}
	case "doomed": // locks and unlocks until it is killed
		mem, err := mapFile(args[3])
		if err != nil {
			return err
		}
		for first := true; ; first = false {
			err := sem.Lock(context.Background())
			if err != nil && !errors.Is(err, hsem.ErrOwnerDied) {
				return err
			}
			enter(mem, err)
			if first {
				fmt.Println("running")
			}
			leave(mem)
			if err := sem.Unlock(); err != nil {
				return err
			}
		}
	default:
		return errors.New("no such role")
	}
	return nil
}

// word is an error in one word.
func word(err error) string {
	switch {
	case err == nil:
		return "locked"
	case errors.Is(err, hsem.ErrOwnerDied):
		return "owner-died"
	case errors.Is(err, hsem.ErrDestroyed):
		return "destroyed"
	}
	return err.Error()
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

// openKind opens a semaphore of either kind: "hybrid" or "posix".
func openKind(kind, name string, mode hsem.Mode, initial int) (hsem.Semaphore, error) {
	if kind == "posix" {
		return hsem.OpenPosix(name, mode, initial, 0o600)
	}
	return hsem.Open(name, mode, initial, 0o600)
}

// kinds are both.
var kinds = []string{"hybrid", "posix"}

// filePath is where a semaphore's file is.
func filePath(kind, name string) string {
	if kind == "posix" {
		return "/dev/shm/sem." + name
	}
	return "/dev/shm/hsem." + name
}

var names atomic.Int32

// newName returns a name that no other test uses. Its file is removed when the test ends.
func newName(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("hltest-%d-%d-%d", os.Getpid(), time.Now().UnixNano(), names.Add(1))
	t.Cleanup(func() {
		for _, kind := range kinds {
			_ = os.Remove(filePath(kind, name))
		}
	})
	return name
}

// create makes a semaphore of a new name, whose handle is closed when the test ends.
func create(t testing.TB, kind string, initial int) (hsem.Semaphore, string) {
	t.Helper()
	name := newName(t)
	sem, err := openKind(kind, name, hsem.CreateNewExclusive, initial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sem.Close() })
	return sem, name
}

// connect opens another handle.
func connect(t testing.TB, kind, name string) hsem.Semaphore {
	t.Helper()
	sem, err := openKind(kind, name, hsem.ConnectToExisting, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sem.Close() })
	return sem
}

// child is a second process.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// start starts a second process in a role. It is killed when the test ends, if it hasn't ended by then.
func start(t testing.TB, args ...string) *child {
	t.Helper()
	return startCmd(t, roleCmd(t, args...))
}

func roleCmd(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), roleEnv+"="+strings.Join(args, "\n"))
	return cmd
}

func startCmd(t testing.TB, cmd *exec.Cmd) *child {
	t.Helper()
	c, err := tryStart(t, cmd)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func tryStart(t testing.TB, cmd *exec.Cmd) (*child, error) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd, in, bufio.NewReader(out)}
	t.Cleanup(c.kill)
	return c, nil
}

// kill ends the process with SIGKILL, and waits for that.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

func (c *child) signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := c.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// tell writes a line to the process.
func (c *child) tell(t testing.TB) {
	t.Helper()
	if _, err := io.WriteString(c.in, "\n"); err != nil {
		t.Fatal(err)
	}
}

// hear returns the next line of the process.
func (c *child) hear(t testing.TB) string {
	t.Helper()
	var line string
	wait.Return(t, "a line of a second process", func() {
		text, err := c.out.ReadString('\n')
		if err != nil {
			text = fmt.Sprintf("%s%v", text, err)
		}
		line = strings.TrimSpace(text)
	})
	return line
}

// expect fails the test if the next line of the process is another one.
func (c *child) expect(t testing.TB, want string) {
	t.Helper()
	if got := c.hear(t); got != want {
		t.Fatalf("the second process says %q, want %q", got, want)
	}
}

// end waits for the process to end by itself.
func (c *child) end(t testing.TB) {
	t.Helper()
	wait.Return(t, "the end of a second process", func() {
		if err := c.cmd.Wait(); err != nil {
			t.Errorf("the second process: %v", err)
		}
	})
}

// awaitSleeper waits until somebody sleeps for the semaphore, as its file tells: the bit for it of a hybrid lock, the count in
// the upper half of a POSIX semaphore (spec.md).
func awaitSleeper(t testing.TB, kind, name string) {
	t.Helper()
	wait.Until(t, "nobody sleeps for "+name, func() bool {
		file, err := os.ReadFile(filePath(kind, name))
		if err != nil {
			t.Fatal(err)
		}
		if kind == "hybrid" {
			return binary.LittleEndian.Uint64(file[128:])&(1<<31) != 0
		}
		return binary.LittleEndian.Uint64(file)>>32 != 0
	})
}

// newFile makes a page of zeros that processes can share. It is gone when the test ends.
func newFile(t testing.TB) (path string, mem []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "counter")
	if err := os.WriteFile(path, make([]byte, os.Getpagesize()), 0o600); err != nil {
		t.Fatal(err)
	}
	mem, err := mapFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(mem) })
	return path, mem
}

func mapFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return unix.Mmap(int(f.Fd()), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

// count adds one to the counter in mem, in the way that loses some when two do it at once.
func count(mem []byte) {
	binary.NativeEndian.PutUint64(mem, binary.NativeEndian.Uint64(mem)+1)
}

func counted(mem []byte) uint64 { return binary.NativeEndian.Uint64(mem) }

// ticks returns the CPU time that this process has used, in the kernel's ticks.
func ticks() int {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		panic(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	return number(fields[11]) + number(fields[12])
}

// enter and leave surround work on mem that a process may be killed in. Byte 16 says that it is under way; byte 8 counts
// those who found it so without having been told, by err, that the owner had died. The first 8 bytes count the turns.

func enter(mem []byte, err error) {
	if mem[16] != 0 && !errors.Is(err, hsem.ErrOwnerDied) {
		mem[8]++
	}
	mem[16] = 1
	count(mem)
}

func leave(mem []byte) { mem[16] = 0 }

// overwrite changes some bytes of a file.
func overwrite(t testing.TB, path string, offset int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, offset); err != nil {
		t.Fatal(err)
	}
}
