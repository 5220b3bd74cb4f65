//go:build unix

package manager

import (
	"context"
	"encoding/binary"
	"iter"
	"os"
	"path/filepath"

	"hotline"
	"hotline/internal/outcometest"
)

// markMethods are calls and streams that note, each once, that they were executed.
type markMethods struct {
	Raw    func(ctx context.Context, id []byte) ([]byte, error)                     `codec:"raw"`
	Pack   func(ctx context.Context, id uint64, text string) (string, error)        `codec:"msgpack"`
	Spread func(ctx context.Context, id uint64, to int) iter.Seq2[int, error]       `codec:"msgpack"`
	Gather func(ctx context.Context, id uint64, numbers iter.Seq[int]) (int, error) `codec:"msgpack"`
	Again  func(ctx context.Context, id uint64) error                               `codec:"msgpack" idempotent:"true"`
}

// markServer has a number for a port, for TCP: the tests take an address of their own for that.
type markServer struct {
	hotline.ServerMethodsBase `port:"7439" name:"marks" version:"1.0.0"`
	markMethods

	file *os.File // takes eight bytes for each execution
}

type markClient struct {
	hotline.ClientMethodsBase `port:"7439" name:"marks"`
	markMethods
}

func (s *markServer) Raw(_ context.Context, id []byte) ([]byte, error) {
	return id, outcometest.Mark(s.file, binary.LittleEndian.Uint64(id))
}

func (s *markServer) Pack(_ context.Context, id uint64, text string) (string, error) {
	return text, outcometest.Mark(s.file, id)
}

func (s *markServer) Spread(_ context.Context, id uint64, to int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		if err := outcometest.Mark(s.file, id); err != nil {
			yield(0, err)
			return
		}
		for i := range to {
			if !yield(i, nil) {
				return
			}
		}
	}
}

func (s *markServer) Gather(_ context.Context, id uint64, numbers iter.Seq[int]) (sum int, _ error) {
	if err := outcometest.Mark(s.file, id); err != nil {
		return 0, err
	}
	for n := range numbers {
		sum += n
	}
	return sum, nil
}

func (s *markServer) Again(_ context.Context, id uint64) error { return outcometest.Mark(s.file, id) }

// marksFile is the file that they are in, beside the program.
const marksFile = "marks"

// serveMarks is the service's program.
func serveMarks() error {
	file, err := os.OpenFile(filepath.Join(filepath.Dir(os.Args[0]), marksFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	var s hotline.Server
	if err := s.Register(&markServer{file: file}); err != nil {
		return err
	}
	return s.Serve(context.Background())
}
