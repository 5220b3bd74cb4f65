package load

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"hotline/bench/peer"
)

// The roles below are what other processes of a measurement do: they take requests from in, a line of JSON each, and
// answer each with one, until in ends.

type answer struct {
	Error  string `json:",omitempty"`
	Answer any    `json:",omitempty"`
}

func tell(out *json.Encoder, v any, err error) error {
	if err != nil {
		return out.Encode(answer{Error: err.Error()})
	}
	return out.Encode(answer{Answer: v})
}

// Usage is what a server's process holds.
type Usage struct {
	Memory uint64 // heap and stacks in use after a collection, in bytes
	Files  int    // open files
}

// Serve is a server's process. It answers once when it is ready, and then each line with its usage.
func Serve(ctx context.Context, name, dir string, in io.Reader, out *json.Encoder) error {
	p, ok := peer.Find(name)
	if !ok {
		return fmt.Errorf("there is no peer %q", name)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- p.Serve(ctx, dir, func() { tell(out, nil, nil) }) }()
	asked := make(chan bool)
	go func() {
		defer close(asked)
		for lines := bufio.NewScanner(in); lines.Scan(); {
			asked <- true
		}
	}()
	for {
		select {
		case err := <-ended:
			return err
		case _, more := <-asked:
			if !more {
				cancel()
				return <-ended
			}
			tell(out, usage(), nil)
		}
	}
}

func usage() Usage {
	runtime.GC()
	runtime.GC() // what the first one leaves to be swept and to finalizers is gone after the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, _ := os.ReadDir("/proc/self/fd")
	return Usage{Memory: m.HeapAlloc + m.StackInuse, Files: len(files)}
}

// dialWait bounds how long a client tries to connect to a server that has just begun.
const dialWait = 10 * time.Second

// connect dials until the server answers.
func connect(ctx context.Context, job Job) (peer.Client, error) {
	p, ok := peer.Find(job.Peer)
	if !ok {
		return nil, fmt.Errorf("there is no peer %q", job.Peer)
	}
	for end := time.Now().Add(dialWait); ; time.Sleep(2 * time.Millisecond) {
		c, err := p.Dial(ctx, job.Dir, peer.Load{Size: job.Size, Callers: job.Callers})
		if err == nil || time.Now().After(end) {
			return c, err
		}
	}
}

// Client is a client's process: it takes jobs and answers with results. All jobs are for one server.
func Client(ctx context.Context, in io.Reader, out *json.Encoder) error {
	var c peer.Client
	for requests := json.NewDecoder(in); ; {
		var job Job
		if err := requests.Decode(&job); err != nil {
			if c != nil {
				c.Close()
			}
			return nil // the end of in
		}
		var err error
		var r *Result
		if c == nil {
			c, err = connect(ctx, job)
		}
		if err == nil {
			r, err = Do(ctx, c, job)
		}
		if err := tell(out, r, err); err != nil {
			return err
		}
	}
}

// Links is a client's process that holds idle links: of a job, Peer and Dir say to what, and Callers how many. Each job
// adds to them; it is answered when they are there and one call has been made on each.
func Links(ctx context.Context, in io.Reader, out *json.Encoder) error {
	var clients []peer.Client
	defer func() {
		for _, c := range clients {
			c.Close()
		}
	}()
	for requests := json.NewDecoder(in); ; {
		var job Job
		if err := requests.Decode(&job); err != nil {
			return nil // the end of in
		}
		var err error
		for i := 0; i < job.Callers && err == nil; i++ {
			var c peer.Client
			if c, err = connect(ctx, job); err == nil {
				clients = append(clients, c)
				err = once(c, job)
			}
		}
		if err := tell(out, usage(), err); err != nil {
			return err
		}
	}
}

// once makes one call.
func once(c peer.Client, job Job) error {
	call, err := callOf(c, job)
	if err != nil {
		return err
	}
	return call()
}

// Hog keeps a core busy until in ends.
func Hog(in io.Reader) error {
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, in)
		close(ended)
	}()
	for n := uint64(1); ; n = n*6364136223846793005 + 1442695040888963407 {
		if n&0xfff == 0 {
			select {
			case <-ended:
				return nil
			default:
			}
		}
	}
}
