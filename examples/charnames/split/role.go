package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"hotline"
	"hotline/examples/charnames"
)

// The roles that processes play.
const (
	holder  = "holder"  // has the index itself
	client  = "client"  // calls the service
	service = "service" // has the index for all clients
)

// play does what a role is for once, says that it has, and stays until its standard input ends.
func play(ctx context.Context, role string) error {
	switch role {
	case holder:
		return playHolder(ctx)
	case client:
		return playClient(ctx)
	case service:
		return playService(ctx)
	}
	return fmt.Errorf("there is no role %q", role)
}

// playHolder uses the service's struct as what it is, a struct.
func playHolder(ctx context.Context) error {
	var names charnames.Server
	if err := names.Start(ctx); err != nil {
		return err
	}
	took, err := timeLookups(names.Name)
	if err != nil {
		return err
	}
	stay(took)
	return nil
}

func playClient(ctx context.Context) error {
	var names charnames.Client
	if err := hotline.Connect(ctx, &names); err != nil {
		return err
	}
	defer names.Close()
	took, err := timeLookups(func(r rune) (string, error) { return names.Name(ctx, r) })
	if err != nil {
		return err
	}
	stay(took)
	return nil
}

func playService(ctx context.Context) error {
	silent := zerolog.Nop()
	server := &hotline.Server{Logger: &silent}
	if err := server.Register(new(charnames.Server)); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	if err := awaitService(ctx, ended); err != nil {
		return err
	}
	stay(0)
	return errors.Join(server.Close(), <-ended)
}

// awaitService waits until the service of this process can be reached.
func awaitService(ctx context.Context, ended chan error) error {
	for {
		c, err := hotline.Dial(ctx, "charnames")
		if err == nil {
			return c.Close()
		}
		select {
		case err := <-ended:
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// timeLookups returns how long a lookup takes: the median of many rounds, so that a busy machine disturbs little.
func timeLookups(name func(rune) (string, error)) (time.Duration, error) {
	const rounds, perRound = 201, 20
	var took []time.Duration
	for range rounds {
		begin := time.Now()
		for i := range rune(perRound) {
			if _, err := name('A' + i); err != nil {
				return 0, err
			}
		}
		took = append(took, time.Since(begin)/perRound)
	}
	slices.Sort(took)
	return took[rounds/2], nil
}

// stay tells the parent that this process is ready to be measured, and waits for the parent's word to end.
func stay(took time.Duration) {
	fmt.Println(took.Nanoseconds())
	io.Copy(io.Discard, os.Stdin)
}
