// Command split shows what one service for many light clients saves in memory. It runs programs that know the names of
// the Unicode characters, first each with the index in its own memory, then as clients of one service, and measures
// both. It is for Linux, where the kernel tells exactly what memory a process has.
//
//	go run ./examples/charnames/split -n 20
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"runtime"
	"time"
)

func main() {
	log.SetFlags(0)
	n := flag.Int("n", 10, "how many programs to run, 2 to 100")
	role := flag.String("role", "", "what this process is to play; for the processes that split itself starts")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var err error
	switch {
	case *role != "":
		err = play(ctx, *role)
	case *n < 2 || *n > 100:
		err = fmt.Errorf("-n %d is out of range: choose 2 to 100", *n)
	case runtime.GOOS != "linux":
		err = errors.New("the memory of a process is read from /proc/PID/smaps_rollup, which only Linux has")
	default:
		err = compare(ctx, *n)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// compare measures both ways and prints what it found.
func compare(ctx context.Context, n int) error {
	dir, err := os.MkdirTemp("", "hl")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	alone, err := run(ctx, dir, repeat(holder, n))
	if err != nil {
		return err
	}
	split, err := run(ctx, dir, append([]string{service}, repeat(client, n)...))
	if err != nil {
		return err
	}
	holders, served, clients := total(alone), total(split[:1]), total(split[1:])
	fmt.Printf("%d programs that know the names of the Unicode characters:\n\n", n)
	printHeader()
	holders.print("each holds the index itself")
	clients.print("light clients of a service")
	served.print("that service")
	together := served.pss + clients.pss
	fmt.Printf("\nOne service in place of %d indexes: %s in place of %s, %.1f times less.\n", n,
		mebibytes(together), mebibytes(holders.pss), float64(holders.pss)/float64(together))
	fmt.Println("(RSS counts memory that processes share in each of them, PSS divides it among them.)")
	return nil
}

func repeat(role string, n int) []string {
	roles := make([]string, n)
	for i := range roles {
		roles[i] = role
	}
	return roles
}
