package hsem

import (
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// Mode says what Open does with a name that is taken, and with one that is free.
type Mode int

// The modes of [Open] and [OpenPosix].
const (
	ConnectOrCreate    Mode = iota // connect to the semaphore of that name, or create it
	ConnectToExisting              // connect, or fail with ErrNoSuchSemaphore
	CreateNewOverwrite             // create; one that has the name already is destroyed
	CreateNewExclusive             // create, or fail with ErrSemaphoreExists
)

// String returns the name of m as it is written in Go.
func (m Mode) String() string {
	switch m {
	case ConnectOrCreate:
		return "ConnectOrCreate"
	case ConnectToExisting:
		return "ConnectToExisting"
	case CreateNewOverwrite:
		return "CreateNewOverwrite"
	case CreateNewExclusive:
		return "CreateNewExclusive"
	}
	return fmt.Sprintf("Mode(%d)", int(m))
}

// Option changes how a handle waits.
type Option func(*settings)

// MaxSpin caps how long a wait may poll before it sleeps; zero or less is never. Without it, the cap is
// spin.DefaultMax, 20 µs. A wait never polls where the process may run on one CPU only.
func MaxSpin(d time.Duration) Option {
	return func(s *settings) { s.maxSpin = max(d, 0) }
}

type settings struct {
	maxSpin time.Duration // less than 0: what package spin has for a default
}

func newSettings(opts []Option) settings {
	s := settings{maxSpin: -1}
	for _, opt := range opts {
		opt(&s)
	}
	return s
}

// maxName keeps a name with its prefix below the 255 bytes that a file name may have.
const maxName = 240

// request is a checked call of Open.
type request struct {
	name    string // without a slash
	mode    Mode
	initial int
	perm    fs.FileMode
}

// newRequest checks the arguments of Open.
func newRequest(name string, mode Mode, initial int, perm fs.FileMode) (request, error) {
	bare := strings.TrimPrefix(name, "/")
	switch {
	case bare == "":
		return request{}, fmt.Errorf("the name %q is empty", name)
	case len(bare) > maxName:
		return request{}, fmt.Errorf("the name has %d bytes, at most %d are allowed", len(bare), maxName)
	case strings.ContainsAny(bare, "/\x00"):
		return request{}, fmt.Errorf("the name %q has a slash or a zero byte inside", name)
	case mode < ConnectOrCreate || mode > CreateNewExclusive:
		return request{}, fmt.Errorf("%v is no mode", mode)
	case initial != 0 && initial != 1:
		return request{}, fmt.Errorf("the initial value is %d, 0 or 1 is needed", initial)
	case perm&^fs.ModePerm != 0:
		return request{}, fmt.Errorf("the permissions are %v, only permission bits are allowed", perm)
	}
	return request{bare, mode, initial, perm}, nil
}
