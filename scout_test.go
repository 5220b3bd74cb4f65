package hotline_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"hotline"
	"hotline/internal/wait"
)

// remoteCrew is the crew with a port that TCP can use.
type remoteCrew struct {
	hotline.ServerMethodsBase `port:"5574" name:"crew" version:"1.4"`
	*crewServer
}

// startRemote serves a service where the client finds it by the address alone, which is returned.
func startRemote(t testing.TB, s *crewServer) (*instance, string) {
	t.Helper()
	dir := tempDir(t)
	i := startBy(t, &hotline.Server{TCPBind: "127.0.0.1:0"}, dir, 1, &remoteCrew{crewServer: s})
	return i, addressOf(t, dir, "tcp")
}

// hideShm takes away the socket of an address, and returns its path and how to put it back.
func hideShm(t testing.TB, address string) (path string, show func()) {
	t.Helper()
	path = strings.TrimPrefix(address, "shm://")
	hidden := filepath.Join(tempDir(t), "shm")
	if err := os.Rename(path, hidden); err != nil {
		t.Fatal(err)
	}
	return path, func() {
		if err := os.Rename(hidden, path); err != nil {
			t.Error(err)
		}
	}
}

// TestFallsBackToAnAddressOfTheSameInstance: what one address does not reach the next one may, also where both lead to one instance.
func TestFallsBackToAnAddressOfTheSameInstance(t *testing.T) {
	needShm(t)
	dir := tempDir(t)
	start(t, dir, 1, newCrew(1)[0])
	_, show := hideShm(t, addressOf(t, dir, "shm"))
	defer show()
	var c crewClient
	if err := (&hotline.Dialer{Dir: dir}).Connect(t.Context(), &c, "shm://", "unix://"); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Who(t.Context()); err != nil || !strings.HasPrefix(c.Client().Service().Address, "unix://") {
		t.Errorf("Who over %s: %v", c.Client().Service().Address, err)
	}
}

func needShm(t testing.TB) {
	if runtime.GOOS != "linux" {
		t.Skip("shared memory is Linux only")
	}
}

// linkedBy reports whether the client's lone calls go over a transport.
func (c *crewClient) linkedBy(scheme string) bool {
	return strings.HasPrefix(c.Client().Service().Address, scheme+"://")
}

// TestRemoteInstancesShareCalls: instances that only their addresses lead to are linked and called as those of the runtime
// directory are, and an instance that two addresses lead to is linked once.
func TestRemoteInstancesShareCalls(t *testing.T) {
	crew := newCrew(3)
	var addresses []string
	for _, s := range crew {
		_, address := startRemote(t, s)
		addresses = append(addresses, address)
	}
	again := strings.Replace(addresses[0], "127.0.0.1", "localhost", 1)
	c := connectCrew(t, &hotline.Dialer{Dir: filepath.Join(tempDir(t), "none")}, append(addresses, again)...)
	stop := keepCalling(t, c, 8)
	for _, s := range crew {
		wait.Until(t, "calls at each instance", func() bool { return s.calls.Load() > 100 })
	}
	stop()
	if n := hotline.Links(c.Client()); n != len(crew) {
		t.Errorf("the client has %d links to %d instances", n, len(crew))
	}
}

// TestRemoteInstanceComesLater: an address where nobody listens is tried again, and no call fails of it.
func TestRemoteInstanceComesLater(t *testing.T) {
	crew := newCrew(2)
	_, first := startRemote(t, crew[0])
	gone, second := startRemote(t, newCrew(1)[0])
	gone.leave(t)
	c := connectCrew(t, &hotline.Dialer{Dir: tempDir(t)}, first, second)
	stop := keepCalling(t, c, 8)
	wait.Until(t, "an attempt that fails", func() bool { return hotline.Failing(c.Client()) > 0 })
	startBy(t, &hotline.Server{TCPBind: strings.TrimPrefix(second, "tcp://")}, tempDir(t), 1, &remoteCrew{crewServer: crew[1]})
	wait.Until(t, "calls at the second instance", func() bool { return crew[1].calls.Load() > 0 })
	stop()
}

// TestFailedAddressIsTriedWhileOthersHang: a client that has no link tries a place that failed again, though another one takes
// the connection and says nothing.
func TestFailedAddressIsTriedWhileOthersHang(t *testing.T) {
	silent, broken := listenTCP(t), listenTCP(t)
	linked := make(chan error, 1)
	var c crewClient
	go func() {
		d := &hotline.Dialer{Dir: tempDir(t), Timeout: time.Hour}
		linked <- d.Connect(t.Context(), &c, "tcp://"+silent.Addr().String(), "tcp://"+broken.Addr().String())
	}()
	conn, err := broken.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	broken.Close()
	s := newCrew(1)[0]
	startBy(t, &hotline.Server{TCPBind: broken.Addr().String()}, tempDir(t), 1, &remoteCrew{crewServer: s})
	if err := wait.Receive(t, "a link", linked); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Who(t.Context()); err != nil || s.calls.Load() != 1 {
		t.Errorf("Who: %v after %d calls", err, s.calls.Load())
	}
}

func listenTCP(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// TestOtherMajorAtAnAddress: links go to instances of one major version, whatever an address leads to.
func TestOtherMajorAtAnAddress(t *testing.T) {
	crew := newCrew(1)
	_, first := startRemote(t, crew[0])
	dir := tempDir(t)
	start(t, dir, 1, &laterCrew{crewServer: crewServer{id: 1}})
	c := connectCrew(t, &hotline.Dialer{Dir: tempDir(t)}, first, addressOf(t, dir, "unix"))
	stop := keepCalling(t, c, 8)
	wait.Until(t, "an attempt that fails", func() bool { return hotline.Failing(c.Client()) > 0 })
	stop()
	if n := hotline.Links(c.Client()); n != 1 {
		t.Errorf("the client has %d links, want 1", n)
	}
}

// TestComesBack: a client that has fallen back to a slower address is linked by the faster one as soon as that leads somewhere,
// though it never makes two calls at once, or none; then it looks no longer. It falls back again without an error.
func TestComesBack(t *testing.T) {
	crew := newCrew(3)
	_, remote := startRemote(t, crew[0])
	dir := tempDir(t)
	c := connectCrew(t, &hotline.Dialer{Dir: dir}, "auto://", remote)
	for _, s := range crew[1:] {
		if id, err := c.Who(t.Context()); err != nil || id != 0 {
			t.Fatalf("Who without a local instance: got %d, %v, want 0", id, err)
		}
		local := start(t, dir, 1, s)
		wait.Until(t, "a link to the local instance", func() bool { return !c.linkedBy("tcp") })
		if id, err := c.Who(t.Context()); err != nil || id != s.id {
			t.Errorf("Who with a local instance: got %d, %v, want %d", id, err, s.id)
		}
		wait.Until(t, "the end of the looking", func() bool { return !hotline.Scouting(c.Client()) })
		local.leave(t)
	}
}

// TestFasterLinkTakesOver: an instance that could not be reached in the fastest way is, when it can, and calls under way on the
// slower link end well before that is closed.
func TestFasterLinkTakesOver(t *testing.T) {
	needShm(t)
	dir, crew := tempDir(t), newCrew(1)
	start(t, dir, 1, crew[0])
	_, show := hideShm(t, addressOf(t, dir, "shm"))
	c := connectCrew(t, &hotline.Dialer{Dir: dir})
	if !c.linkedBy("unix") {
		t.Fatalf("linked by %s", c.Client().Service().Address)
	}
	held := make(chan error, 1)
	go func() {
		_, err := c.Hold(context.Background())
		held <- err
	}()
	wait.Until(t, "the call to have come in", func() bool { return crew[0].holding.Load() == 1 })
	stop := keepCalling(t, c, 8)
	wait.Until(t, "an attempt that fails", func() bool { return hotline.Failing(c.Client()) > 0 })
	show()
	wait.Until(t, "the faster link", func() bool { return c.linkedBy("shm") })
	stop()
	if links, surplus := hotline.Links(c.Client()), hotline.Surplus(c.Client()); links != 1 || surplus != 1 {
		t.Errorf("%d links, and %d in the place of which there is a faster one, want 1 and 1", links, surplus)
	}
	wait.Until(t, "the last look because calls overlap", func() bool { return !hotline.Overlapping(c.Client()) })
	close(crew[0].letGo)
	if err := <-held; err != nil {
		t.Errorf("Hold on the slower link: %v", err)
	}
	wait.Until(t, "the end of the slower link", func() bool { return hotline.Surplus(c.Client()) == 0 })
}

// fallbacks returns the lines of a log, of a client that is closed, that say why an earlier way was not taken.
func fallbacks(log string) (lines []string) {
	for line := range strings.Lines(log) {
		if strings.Contains(line, "an earlier way was not taken") {
			lines = append(lines, line)
		}
	}
	return lines
}

// TestFallsBack: an instance that is not reached by the fastest way is reached by the next, and so is one that comes later. The
// log says why.
func TestFallsBack(t *testing.T) {
	needShm(t)
	dir, crew := tempDir(t), newCrew(2)
	first := start(t, dir, 1, crew[0])
	path, show := hideShm(t, addressOf(t, dir, "shm"))
	var log strings.Builder
	logger := zerolog.New(zerolog.SyncWriter(&log))
	c := connectCrew(t, &hotline.Dialer{Dir: dir, Logger: &logger})
	if !c.linkedBy("unix") {
		t.Errorf("linked by %s, want a unix socket", c.Client().Service().Address)
	}
	c.Close()
	if lines := fallbacks(log.String()); len(lines) != 1 || strings.Count(log.String(), "\n") != 1 || !strings.Contains(lines[0], path) {
		t.Errorf("log: got %s, want one line that says why", log.String())
	}
	show()

	log.Reset()
	c = connectCrew(t, &hotline.Dialer{Dir: dir, Logger: &logger})
	if !c.linkedBy("shm") {
		t.Errorf("linked by %s, want shared memory", c.Client().Service().Address)
	}
	start(t, dir, 2, crew[1])
	for _, address := range addressesOf(t, dir, "shm") {
		if address != "shm://"+path {
			path, _ = hideShm(t, address)
			break
		}
	}
	stop := keepCalling(t, c, 8)
	wait.Until(t, "a link to the second instance", func() bool { return hotline.Links(c.Client()) == 2 })
	first.leave(t)
	wait.Until(t, "calls at the second instance", func() bool { return crew[1].calls.Load() > 0 })
	stop()
	c.Close()
	if lines := fallbacks(log.String()); len(lines) == 0 || !strings.Contains(lines[0], path) {
		t.Errorf("log: got %s, want it to say why %s was not taken", log.String(), path)
	}
}

// TestEarlierAddress: the log says why the first of several addresses was not taken.
func TestEarlierAddress(t *testing.T) {
	_, remote := startRemote(t, newCrew(1)[0])
	dir := tempDir(t)
	var log strings.Builder
	logger := zerolog.New(zerolog.SyncWriter(&log))
	c := connectCrew(t, &hotline.Dialer{Dir: dir, Logger: &logger}, "shm://", remote)
	c.Close()
	lines := fallbacks(log.String())
	if len(lines) != 1 || !strings.Contains(lines[0], "no service crew") || !strings.Contains(lines[0], dir) || !strings.Contains(lines[0], remote) {
		t.Errorf("log: got %s, want one line that says why shared memory was not taken", log.String())
	}
}
