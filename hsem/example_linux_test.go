package hsem_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"hotline/hsem"
)

// Two handles of a lock: normally each is in a process of its own.
func Example() {
	name := fmt.Sprintf("example-%d", os.Getpid())
	ours, err := hsem.Open(name, hsem.CreateNewExclusive, 1, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer ours.Close()
	defer ours.Destroy()
	theirs, err := hsem.Open(name, hsem.ConnectToExisting, 1, 0)
	if err != nil {
		log.Fatal(err)
	}

	if err := theirs.Lock(context.Background()); err != nil {
		log.Fatal(err)
	}
	err = ours.LockTimeout(5 * time.Millisecond)
	fmt.Println("timed out:", errors.Is(err, context.DeadlineExceeded))

	theirs.Close() // without Unlock, as if the process had died
	err = ours.Lock(context.Background())
	fmt.Println("locked, with a notice:", errors.Is(err, hsem.ErrOwnerDied))
	fmt.Println("unlocked:", ours.Unlock() == nil)
	// Output:
	// timed out: true
	// locked, with a notice: true
	// unlocked: true
}
