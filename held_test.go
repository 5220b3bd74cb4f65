package hotline_test

import (
	"context"
	"testing"
	"time"

	"hotline"
	"hotline/internal/wait"
)

// Calls that overlap are seen as soon as they do: when calls take long, those that follow go to other instances meanwhile.
func TestHeldCallsAreSpread(t *testing.T) {
	dir, crew := tempDir(t), newCrew(2)
	for i, s := range crew {
		start(t, dir, i+1, s)
	}
	c := connectCrew(t, &hotline.Dialer{Dir: dir}, "unix://")
	held := make(chan error, 3)
	hold := func() {
		_, err := c.Hold(t.Context())
		held <- err
	}
	holding := func() int64 { return crew[0].holding.Load() + crew[1].holding.Load() }
	go hold()
	wait.Until(t, "a call", func() bool { return holding() == 1 })
	go hold()
	wait.Until(t, "a second link", func() bool { return hotline.Links(c.Client()) == 2 })
	wait.Until(t, "another call", func() bool { return holding() == 2 })
	go hold()
	wait.Until(t, "a call of each instance", func() bool { return crew[0].holding.Load() > 0 && crew[1].holding.Load() > 0 })
	for _, s := range crew {
		close(s.letGo)
	}
	for range 3 {
		if err := wait.Receive(t, "a call's end", held); err != nil {
			t.Error(err)
		}
	}
}

// The time that a call takes does not count as time in which there was no link for it.
func TestLongCallGoesElsewhere(t *testing.T) {
	t.Parallel()
	const timeout = 2 * time.Second
	dir, crew := tempDir(t), newCrew(2)
	var instances []*instance
	for i, s := range crew {
		instances = append(instances, start(t, dir, i+1, s))
	}
	var c struct {
		hotline.ClientMethodsBase `name:"crew"`
		crewMethods
		Again func(ctx context.Context) (int, error) `name:"Hold" idempotent:"true"`
	}
	if err := (&hotline.Dialer{Dir: dir, Timeout: timeout}).Connect(t.Context(), &c, "unix://"); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	holding := func(i int) int64 { return crew[i].holding.Load() }
	for n := int64(0); holding(0) == 0 || holding(1) == 0; n++ { // so that no link is idle
		go c.Hold(t.Context())
		wait.Until(t, "another call", func() bool { return holding(0)+holding(1) > n })
		wait.Until(t, "a second link", func() bool { return n == 0 || hotline.Links(c.Client()) == 2 })
	}
	before := []int64{holding(0), holding(1)}
	type outcome struct {
		id  int
		err error
	}
	ended := make(chan outcome, 1)
	go func() {
		id, err := c.Again(context.Background())
		ended <- outcome{id, err}
	}()
	wait.Until(t, "the call", func() bool { return holding(0) > before[0] || holding(1) > before[1] })
	first := 0
	if holding(1) > before[1] {
		first = 1
	}
	other := 1 - first
	time.Sleep(timeout) // which the call is to outlast
	instances[first].Close()
	wait.Until(t, "the call at the other instance", func() bool { return holding(other) > before[other] })
	close(crew[other].letGo)
	if o := wait.Receive(t, "the call's end", ended); o.id != other || o.err != nil {
		t.Errorf("got %d, %v, want %d", o.id, o.err, other)
	}
}
