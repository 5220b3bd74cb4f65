// Package stream is an example of streams: a service of log files that clients follow while they grow, write to, and fetch.
//
//	go run ./examples/stream/server -dir logs          the service of the files in logs
//	go run ./examples/stream/client append app.log     writes the lines of its standard input to a file
//	go run ./examples/stream/client follow app.log     prints the lines of a file, and new ones as they come
//	go run ./examples/stream/client fetch app.log      prints a file as it is, however large
package stream

import (
	"context"
	"io"
	"iter"
)

// Methods is what the service and its clients share.
type Methods struct {
	// Follow streams the lines of a file, and new ones as they come, until the caller leaves its loop.
	Follow func(ctx context.Context, name string) iter.Seq2[string, error] `codec:"msgpack"`

	// Append writes the lines that the caller streams to a file, and returns how many they were.
	Append func(ctx context.Context, name string, lines iter.Seq[string]) (int, error) `codec:"msgpack"`

	// Fetch streams a file. Under raw an argument is bytes, here the file's name.
	Fetch func(ctx context.Context, name []byte) (io.ReadCloser, error) `codec:"raw"`
}
