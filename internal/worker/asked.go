//go:build unix

package worker

import (
	"sync"
	"time"
)

// writeTimeout is how long a worker may let the manager wait that reads no orders though there are very many.
const writeTimeout = 5 * time.Second

// stopWait is the same for who stops it.
const stopWait = 100 * time.Millisecond

// asked is who waits for answers of a worker.
type asked struct {
	writing sync.Mutex // an order is written as a whole
	broken  error      // under writing: why none can be

	mu      sync.Mutex
	last    uint64                 // under mu: number of an order
	waiting map[uint64]chan string // under mu: by the number of the order; each has room for its answer
	once    sync.Once
	ended   chan struct{} // closed when no answer will come any more
}

func newAsked() asked {
	return asked{waiting: make(map[uint64]chan string), ended: make(chan struct{})}
}

// ask returns the number of a new order, and where its answer will be.
func (a *asked) ask() (uint64, <-chan string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last++
	c := make(chan string, 1)
	a.waiting[a.last] = c
	return a.last, c
}

func (a *asked) forget(number uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.waiting, number)
}

// answer hands on an answer. One that nobody waits for, or waits for any more, is dropped.
func (a *asked) answer(m *Message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c, ok := a.waiting[m.Answer]; ok {
		delete(a.waiting, m.Answer)
		c <- m.Text
	}
}

// over tells all who wait that no answer will come.
func (a *asked) over() { a.once.Do(func() { close(a.ended) }) }
