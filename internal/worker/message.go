package worker

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Env is the environment variable that holds the settings of a worker. It is for the worker alone: [FromEnv] removes
// it.
const Env = "HOTLINE_WORKER"

// MaxMessage bounds a line on the control channel, in bytes.
const MaxMessage = 4 << 20

// Mode says what a worker is started for.
type Mode string

// The modes of a worker.
const (
	Describe Mode = "describe" // to say what it serves, without serving or starting anything, and to exit
	Run      Mode = "run"      // to serve
)

// Settings is what a manager wants of a worker.
type Settings struct {
	Mode                          Mode           `json:"mode"`
	Section                       string         `json:"section,omitempty"` // of the manager's file, that this is a worker of
	TCPBind                       string         `json:"tcp_bind,omitempty"`
	TCPAllowInsecureSerialisation bool           `json:"tcp_allow_insecure_serialisation,omitempty"`
	ControlFD                     int            `json:"control_fd"`
	Listeners                     map[string]int `json:"listeners,omitempty"` // by port: descriptor of a TCP listener
	BoardFD                       int            `json:"board_fd,omitempty"`  // of the board that calls are counted on; 0 for none

	// StopTimeout is how long after the manager's end of the channel has been closed the process is killed: by the manager,
	// or a little later, if that is gone, by itself. 0 means that it has not been said.
	StopTimeout time.Duration `json:"stop_timeout_ns,omitempty"`

	channel
}

// KillGrace is how long after StopTimeout a worker whose manager is gone kills itself: what a manager that lives does comes first.
const KillGrace = time.Second

// DrainTimeout returns how much of StopTimeout the calls in flight have. The rest is for the service's Stop.
func (s *Settings) DrainTimeout() time.Duration { return s.StopTimeout / 6 * 5 }

// Description is what a worker says of one service that it serves.
type Description struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Port    string   `json:"port"`
	Version string   `json:"version,omitempty"`
	Methods []Method `json:"methods"`
}

// Method is one method of a service, as people and tools see it.
type Method struct {
	Name      string `json:"name"`
	Signature string `json:"signature"`
	Codec     string `json:"codec"`
	Doc       string `json:"doc,omitempty"`
	Arguments string `json:"arguments,omitempty"` // shapes, for example calls
	Results   string `json:"results,omitempty"`
}

// Event says what a message is about.
type Event string

// The events that a worker tells of.
const (
	Described Event = "described" // the answer to mode Describe
	IsReady   Event = "ready"     // it serves
	Stacks    Event = "stacks"    // the answer to an order for stacks
)

// Message is one line from a worker.
type Message struct {
	Event     Event         `json:"event"`
	Services  []Description `json:"services"`
	Addresses []string      `json:"addresses,omitempty"`
	Answer    uint64        `json:"answer,omitempty"` // the number of the order that this answers
	Text      string        `json:"text,omitempty"`   // the stacks
}

// Order is one line from the manager.
type Order struct {
	Drain  bool   `json:"drain"`            // take no more calls, and end when those in flight have, however long that takes
	Stop   bool   `json:"stop,omitempty"`   // end within StopTimeout; the end of the channel follows
	Stacks uint64 `json:"stacks,omitempty"` // tell the stacks of all goroutines, in an answer of this number; 0 for no
}

// encode returns v as one line.
func encode(v any) ([]byte, error) {
	line, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if len(line) >= MaxMessage {
		return nil, fmt.Errorf("the message has %d bytes, the limit is %d: shorten the doc comments", len(line), MaxMessage)
	}
	return append(line, '\n'), nil
}

// decode reads the next message. It returns io.EOF when the stream ended between two messages.
func decode(r *bufio.Reader) (*Message, error) {
	line, err := readLine(r)
	if err != nil {
		return nil, err
	}
	m := new(Message)
	if err := json.Unmarshal(line, m); err != nil {
		return nil, fmt.Errorf("the line %.60q is no message of a worker: %w", line, err)
	}
	if m.Event == "" {
		return nil, fmt.Errorf("the line %.60q is no message of a worker: it has no event", line)
	}
	return m, nil
}

// readLine reads a line of at most MaxMessage bytes, without its end.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > MaxMessage:
			return nil, fmt.Errorf("a line has more than %d bytes", MaxMessage)
		case err == nil:
			return line[:len(line)-1], nil
		case errors.Is(err, io.EOF) && len(line) > 0:
			return nil, fmt.Errorf("the line %.60q has no end: %w", line, io.ErrUnexpectedEOF)
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}
