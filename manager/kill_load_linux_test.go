package manager

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hotline"
	"hotline/internal/outcometest"
	"hotline/internal/wait"
)

var (
	kills    = flag.Int("kills", 5, "how many workers TestKillUnderLoad kills")
	killSeed = flag.Uint64("killseed", 0, "which workers TestKillUnderLoad kills, and when; 0 for any")
)

// marker makes calls of a marks service and notes what it is told of them.
type marker struct {
	*outcometest.Ledger
	client *markClient
}

// call makes the call of number id, of the kind that goes with that.
func (m *marker) call(ctx context.Context, id uint64) error {
	ctx, cancel := context.WithTimeout(ctx, patience) // its own
	defer cancel()
	size := int(id % 700)
	return m.Call(ctx, id, id%5 == 4, func(ctx context.Context) (err error) {
		var got, want any
		switch id % 5 {
		case 0:
			text := append(binary.LittleEndian.AppendUint64(nil, id), make([]byte, size)...)
			var reply []byte
			reply, err = m.client.Raw(ctx, text)
			got, want = bytes.Equal(reply, text), true
		case 1:
			text := fmt.Sprintf("%0*d", size, id)
			got, err = m.client.Pack(ctx, id, text)
			want = text
		case 2:
			next := 0
			for n, failed := range m.client.Spread(ctx, id, size) {
				if failed != nil {
					return failed
				}
				if n != next {
					return fmt.Errorf("streamed %d, want %d", n, next)
				}
				next++
			}
			got, want = next, size
		case 3:
			got, err = m.client.Gather(ctx, id, func(yield func(int) bool) {
				for i := range size {
					if !yield(i) {
						return
					}
				}
			})
			want = size * (size - 1) / 2
		case 4:
			err = m.client.Again(ctx, id)
		}
		if err == nil && got != want {
			return fmt.Errorf("got %v, want %v", got, want)
		}
		return err
	})
}

// killUnderLoad kills workers, at random and at random times, under calls of every kind over shared memory, unix sockets and
// TCP, and compares what the callers were told of each call with how often it was executed. It returns how long the longest
// call took to end.
func killUnderLoad(t testing.TB, kills int) time.Duration {
	seed := *killSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-killseed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	l := newLab(t)
	host := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), rand.IntN(250), 1+rand.IntN(250)) // whose ports nobody else has
	r := l.run(l.config("[marks]\nbinary = %s\nmin_proc_num = 3\nrestart_min = 1ms\nrestart_max = 5ms\ntcp_bind = %s\n",
		l.program("marks", "marks", "7439"), host), Options{})
	r.until("ready", isReady)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var (
		ledger  outcometest.Ledger
		next    atomic.Uint64
		over    atomic.Bool
		callers sync.WaitGroup
	)
	for _, address := range []string{"shm://", "tcp://" + host, "shm://", "tcp://" + host, "unix://", "auto://"} {
		c := new(markClient)
		if err := hotline.Connect(ctx, c, address); err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		m := &marker{Ledger: &ledger, client: c}
		for range 2 {
			callers.Go(func() {
				for !over.Load() {
					if err := m.call(ctx, next.Add(1)); err != nil {
						t.Errorf("over %s: %v", address, err)
						return
					}
				}
			})
		}
	}
	for n := range kills {
		victim, after := random.IntN(3), next.Load()+uint64(random.IntN(1000))
		wait.Until(t, "calls", func() bool { return next.Load() >= after || t.Failed() })
		var pid int
		wait.Until(t, "the victim to be there", func() bool {
			pid = r.Status()[0].Workers[victim].PID
			return pid != 0
		})
		syscall.Kill(pid, syscall.SIGKILL) // ready or not
		wait.Until(t, "the end of it", func() bool { return r.Status()[0].Restarts > n || t.Failed() })
	}
	r.until("the last to be there again", isReady)
	over.Store(true)
	callers.Wait()
	ledger.Compare(t, outcometest.Marks(t, filepath.Join(l.path, marksFile)))
	return ledger.Worst()
}

// Every call that is under way when workers are killed ends, in a reply or in an error that says whether it was executed; none
// is lost and none is executed twice, but for those that may be.
func TestKillUnderLoad(t *testing.T) { killUnderLoad(t, *kills) }

// BenchmarkKillUnderLoad kills workers one after the other, and reports how long the longest call under that took to end.
func BenchmarkKillUnderLoad(b *testing.B) {
	b.ReportMetric(float64(killUnderLoad(b, b.N).Milliseconds()), "worst-ms/call")
}
