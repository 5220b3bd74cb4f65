package registry

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// State says whether an instance takes calls.
type State string

// The states of an instance, in the order of its life.
const (
	Starting State = "starting" // claimed its port and name, is not reached yet
	Ready    State = "ready"    // takes calls
	Draining State = "draining" // finishes the calls that it has and takes no new ones
)

// Instance is one running process of a service, as it tells about itself.
type Instance struct {
	ID        string    `json:"id"`                  // unique in the directory, given by Register
	Name      string    `json:"name"`                // of the service
	Port      string    `json:"port"`                // a number from 1 to 65535, or a word
	Version   string    `json:"version,omitempty"`   // "1", "1.2" or "1.2.3"; empty means major 0
	State     State     `json:"state"`               //
	Addresses []string  `json:"addresses,omitempty"` // URLs: "shm:///run/…", "unix:///run/…", "tcp://127.0.0.1:5555"
	PID       int       `json:"pid"`                 // for people only; it may mean nothing in this pid namespace
	Started   time.Time `json:"started"`             // when it registered, by the wall clock
}

// Key returns name@major, which is what a service is known by.
func (i Instance) Key() string {
	major, err := Major(i.Version)
	if err != nil {
		major = "?"
	}
	return i.Name + "@" + major
}

// Limits of what becomes part of a file's name.
const (
	maxName = 64
	maxPort = 32
)

// CheckName reports why name can't be the name of a service: it has 1 to 64 ASCII letters, digits, '_', '-' and
// '.', begins with a letter or '_', and is not only a number, so that it is never taken for a port.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("the service has no name: give it one, as in name:\"echo_serv\"")
	case len(name) > maxName:
		return fmt.Errorf("service name %.20q… has %d bytes: use at most %d", name, len(name), maxName)
	case !isLetter(name[0]) && name[0] != '_':
		return fmt.Errorf("service name %q begins with %q: begin with a letter", name, name[0])
	}
	if at := strings.IndexFunc(name, func(r rune) bool { return !isWord(r) && r != '.' }); at >= 0 {
		return fmt.Errorf("service name %q has %q in it: use letters, digits, '_', '-' and '.'", name, []rune(name[at:])[0])
	}
	return nil
}

// CheckPort reports why port can't be the port of a service: it is a number from 1 to 65535 without leading zeros,
// or a word of 1 to 32 ASCII letters, digits, '_' and '-' that begins with a letter. A word is reached on this
// machine only: TCP needs a number.
func CheckPort(port string) error {
	switch {
	case port == "":
		return errors.New("the service has no port: give it one, as in port:\"5555\"")
	case len(port) > maxPort:
		return fmt.Errorf("port %.20q… has %d bytes: use at most %d", port, len(port), maxPort)
	case isDigit(port[0]):
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
			return fmt.Errorf("port %q is no number from 1 to 65535: use such a number, or a word that begins with a letter",
				port)
		}
		return nil
	case !isLetter(port[0]):
		return fmt.Errorf("port %q begins with %q: use a number from 1 to 65535, or begin with a letter", port, port[0])
	}
	if at := strings.IndexFunc(port, func(r rune) bool { return !isWord(r) }); at >= 0 {
		return fmt.Errorf("port %q has %q in it: use letters, digits, '_' and '-'", port, []rune(port[at:])[0])
	}
	return nil
}

// IsNumber reports whether port is a number, so that TCP can use it. The port must have passed [CheckPort].
func IsNumber(port string) bool { return port != "" && isDigit(port[0]) }

// Major returns the major number of a version: "1" for "1.2.3", "0" for an empty version. A version is one to three
// numbers with dots between them.
func Major(version string) (string, error) {
	if version == "" {
		return "0", nil
	}
	parts := strings.Split(version, ".")
	for _, p := range parts {
		if n, err := strconv.ParseUint(p, 10, 31); err != nil || strconv.FormatUint(n, 10) != p || len(parts) > 3 {
			return "", fmt.Errorf("version %q is not one to three numbers with dots: write it like 1.2.0", version)
		}
	}
	return parts[0], nil
}

// check reports why i can't be registered.
func (i *Instance) check() error {
	_, err := Major(i.Version)
	return errors.Join(CheckName(i.Name), CheckPort(i.Port), err)
}

// sortInstances sorts by name, major (as a number), port, start and id, so that two lookups of the same instances
// agree.
func sortInstances(all []Instance) {
	major := func(i *Instance) int {
		m, _ := Major(i.Version)
		n, _ := strconv.Atoi(m)
		return n
	}
	slices.SortFunc(all, func(a, b Instance) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(major(&a), major(&b)), cmp.Compare(a.Port, b.Port),
			a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID))
	})
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isWord(r rune) bool {
	return r < 0x80 && (isLetter(byte(r)) || isDigit(byte(r))) || r == '_' || r == '-'
}
