package logs

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// roleVariable makes the test binary another program: what it does is its value.
const roleVariable = "HOTLINE_TEST_LOGS"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := play(role); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// play is what the other program does, a worker.
func play(role string) error {
	out := bufio.NewWriterSize(os.Stdout, 10000)
	switch what, rest, _ := strings.Cut(role, " "); what {
	case "crash": // the last line has no end when the process is gone
		fmt.Println("first")
		fmt.Fprint(os.Stderr, "going down")
		fmt.Print("and the last")
		panic("out of fuel")
	case "long":
		out.WriteString(strings.Repeat("l", MaxLine) + "\n")
	case "garbage":
		os.Stdout.Write(garbage())
	case "count": // lines with a number and a name
		var n int
		var name string
		if _, err := fmt.Sscan(rest, &n, &name); err != nil {
			return err
		}
		for i := range n {
			fmt.Fprintln(out, name, i)
		}
	}
	return out.Flush()
}

// garbage has all bytes, and a line end only where there is one in them.
func garbage() []byte {
	var b []byte
	for i := range 64 << 10 {
		b = append(b, byte(i*i>>3), byte(i))
	}
	return b
}

// worker runs the test binary in a role, and takes its output as a manager does, to the end of its pipes.
func worker(t testing.TB, l *Log, number int, role string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	read := make(chan struct{})
	for _, stream := range []string{"stdout", "stderr"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Error(err)
			return
		}
		defer w.Close()
		if stream == "stdout" {
			cmd.Stdout = w
		} else {
			cmd.Stderr = w
		}
		go func() {
			ReadLines(r, l.Writer(number, stream))
			read <- struct{}{}
		}()
	}
	err := cmd.Run()
	cmd.Stdout.(*os.File).Close()
	cmd.Stderr.(*os.File).Close()
	<-read
	<-read
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		t.Error(err)
	}
}

// open opens a log in a directory of the test's own.
func open(t testing.TB, o *Options) *Log {
	t.Helper()
	return openIn(t, t.TempDir(), "echo", o)
}

func openIn(t testing.TB, dir, section string, o *Options) *Log {
	t.Helper()
	l, err := Open(dir, section, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func closeLog(t testing.TB, l *Log) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// files returns the paths of a log's files, oldest first.
func files(t testing.TB, path string) []string {
	t.Helper()
	all, err := listOld(path)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, o := range all {
		paths = append(paths, oldPath(path, o.stamp))
	}
	return append(paths, path)
}

// records returns the lines of all files of a log, all of which must be readable and whole.
func records(t testing.TB, path string) []Record {
	t.Helper()
	var all []Record
	for _, file := range files(t, path) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 0 && text[len(text)-1] != '\n' {
			t.Errorf("%s ends in a line", filepath.Base(file))
		}
		for line := range bytes.Lines(text) {
			r := Parse(bytes.TrimSuffix(line, lineEnd))
			if !r.Readable {
				t.Errorf("%s has the line %.200q", filepath.Base(file), line)
			}
			all = append(all, r)
		}
	}
	return all
}
