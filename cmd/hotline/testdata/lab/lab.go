// Package lab is the service that the tests of the hotline command call.
package lab

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"time"

	"hotline"
)

// Methods is what the service does.
type Methods struct {
	Echo   func(ctx context.Context, data []byte) ([]byte, error)                     `codec:"raw"`
	Motto  func(ctx context.Context) ([]byte, error)                                  `codec:"raw"`
	Sum    func(ctx context.Context, a, b int) (int, error)                           `codec:"msgpack"`
	Greet  func(ctx context.Context, p Person) (string, error)                        `codec:"json"`
	Any    func(ctx context.Context, v any) (any, error)                              `codec:"cbor"`
	Same   func(ctx context.Context, v json.RawMessage) (json.RawMessage, error)      `codec:"json"`
	Split  func(ctx context.Context, s, by string) (string, string, bool, error)      `codec:"cbor"`
	Count  func(ctx context.Context, words []string) (map[string]int, error)          `codec:"cbor"`
	Swap   func(ctx context.Context, a string, b uint64) (uint64, string, error)      `codec:"gob"`
	Square func(ctx context.Context, n *big.Int) (*big.Int, error)                    `codec:"json"`
	After  func(ctx context.Context, t time.Time, d time.Duration) (time.Time, error) `codec:"msgpack"`
	Depth  func(ctx context.Context, t *Tree) (int, error)                            `codec:"msgpack"`
	Hash   func(ctx context.Context, b []byte, salt int8) ([]byte, error)             `codec:"msgpack"`
	Reset  func(ctx context.Context) error                                            `codec:"json"`
	Fail   func(ctx context.Context, why string) error                                `codec:"json"`
	Panic  func(ctx context.Context) error                                            `codec:"json"`
	Wait   func(ctx context.Context) error                                            `codec:"json"`
}

// Person is somebody.
type Person struct {
	Name  string   `json:"name"`
	Age   int      `json:"age"`
	Likes []string `json:"likes,omitempty"`
}

// Tree holds itself.
type Tree struct {
	Kids []*Tree
}

// Lab serves Methods.
type Lab struct {
	hotline.ServerMethodsBase `port:"7411" name:"lab" version:"1.2.0"`
	Methods
}

// Echo sends the bytes back.
func (*Lab) Echo(_ context.Context, data []byte) ([]byte, error) { return data, nil }

// Motto takes nothing.
func (*Lab) Motto(context.Context) ([]byte, error) { return []byte("ora et labora"), nil }

// Sum adds two numbers.
func (*Lab) Sum(_ context.Context, a, b int) (int, error) { return a + b, nil }

// Greet says hello.
func (*Lab) Greet(_ context.Context, p Person) (string, error) {
	return strings.TrimSpace("Hello " + p.Name + " " + strings.Join(p.Likes, "+")), nil
}

// Same returns what it takes.
func (*Lab) Same(_ context.Context, v json.RawMessage) (json.RawMessage, error) { return v, nil }

// Any returns what it takes.
func (*Lab) Any(_ context.Context, v any) (any, error) { return v, nil }

// Split cuts a text.
func (*Lab) Split(_ context.Context, s, by string) (string, string, bool, error) {
	before, after, found := strings.Cut(s, by)
	return before, after, found, nil
}

// Count counts words.
func (*Lab) Count(_ context.Context, words []string) (map[string]int, error) {
	n := make(map[string]int)
	for _, w := range words {
		n[w]++
	}
	return n, nil
}

// Swap returns its arguments the other way round.
func (*Lab) Swap(_ context.Context, a string, b uint64) (uint64, string, error) { return b, a, nil }

// Square multiplies a number with itself.
func (*Lab) Square(_ context.Context, n *big.Int) (*big.Int, error) {
	return new(big.Int).Mul(n, n), nil
}

// After adds a duration to a time.
func (*Lab) After(_ context.Context, t time.Time, d time.Duration) (time.Time, error) {
	return t.Add(d), nil
}

// Depth measures a tree.
func (l *Lab) Depth(ctx context.Context, t *Tree) (int, error) {
	if t == nil {
		return 0, nil
	}
	deepest := 0
	for _, k := range t.Kids {
		d, _ := l.Depth(ctx, k)
		deepest = max(deepest, d)
	}
	return 1 + deepest, nil
}

// Hash adds salt to every byte.
func (*Lab) Hash(_ context.Context, b []byte, salt int8) ([]byte, error) {
	out := make([]byte, len(b))
	for i := range b {
		out[i] = b[i] + byte(salt)
	}
	return out, nil
}

// Reset does nothing.
func (*Lab) Reset(context.Context) error { return nil }

// Fail fails as it is told.
func (*Lab) Fail(_ context.Context, why string) error { return errors.New(why) }

// Panic panics.
func (*Lab) Panic(context.Context) error { panic("the flask broke") }

// Wait waits until nobody waits for it any more.
func (*Lab) Wait(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}
