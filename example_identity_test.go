package hotline_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"

	"hotline"
)

// What the shop and its clients share: an error to compare with, and a type of errors.
var errClosed = errors.New("the shop is closed")

type stockError struct {
	Item string
	Left int
}

func (e *stockError) Error() string { return fmt.Sprintf("%d of %s left", e.Left, e.Item) }

// shopErrors are those that keep their identity, by their names on the wire.
func shopErrors() []hotline.KnownError {
	return []hotline.KnownError{
		hotline.ErrorValue("shop.closed", errClosed),
		hotline.ErrorType[*stockError]("shop.stock", "msgpack"),
	}
}

type shopServer struct {
	hotline.ServerMethodsBase `port:"5561" name:"shop"`
}

func (s *shopServer) Buy(item string, n int) error {
	switch item {
	case "time":
		return fmt.Errorf("buy %s: %w", item, errClosed)
	case "map":
		_, err := os.Open("no such map")
		return err
	}
	return fmt.Errorf("buy %d of %s: %w", n, item, &stockError{Item: item, Left: 2})
}

// The errors of a method are told apart as if it had been called in this process, and from those that did not come from
// the server by their type.
func ExampleKnownError() {
	dir, stop := serveExample(&hotline.Server{Errors: shopErrors()}, new(shopServer), "shop")
	defer stop()
	var shop struct {
		hotline.ClientMethodsBase `name:"shop"`
		Buy                       func(ctx context.Context, item string, n int) error
	}
	ctx := context.Background()
	d := &hotline.Dialer{Dir: dir, Errors: shopErrors()}
	if err := d.Connect(ctx, &shop); err != nil {
		log.Fatal(err)
	}

	err := shop.Buy(ctx, "time", 1)
	fmt.Println(err, "/", errors.Is(err, errClosed))

	err = shop.Buy(ctx, "apples", 3)
	if stock, ok := errors.AsType[*stockError](err); ok {
		fmt.Println(err, "/", stock.Left)
	}

	err = shop.Buy(ctx, "map", 1)
	fmt.Println(errors.Is(err, fs.ErrNotExist))

	var remote *hotline.Error
	fmt.Println(errors.As(err, &remote), remote.Code)
	shop.Close()
	err = shop.Buy(ctx, "apples", 3)
	fmt.Println(errors.As(err, &remote), errors.Is(err, hotline.ErrNotExecuted))
	// Output:
	// buy time: the shop is closed / true
	// buy 3 of apples: 2 of apples left / 2
	// true
	// true application error
	// false true
}
