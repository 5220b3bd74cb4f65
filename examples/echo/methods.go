// Package echo is the smallest complete example of hotline: five methods, one for each codec, a service that has them
// and a client that calls them.
//
//	go run ./examples/echo/server    the service, run by hand
//	go run ./examples/echo/client    calls every method and prints what came back
//
// The service can also be run by the manager, from service.ini:
//
//	go run ./cmd/hotline serve examples/echo/service.ini
package echo

import "context"

// Methods is what the service and its clients share: the names, the types and the codec of each method. [Server] has
// methods that fit; in a [Client] hotline.Connect fills the functions in.
type Methods struct {
	EchoRaw  func(ctx context.Context, data []byte) ([]byte, error)              `codec:"raw"`
	EchoJSON func(ctx context.Context, value any) (any, error)                   `codec:"json"`
	Sum      func(ctx context.Context, a, b int) (int, error)                    `codec:"msgpack"`
	Divide   func(ctx context.Context, a, b int) (quotient, rest int, err error) `codec:"cbor"`
	Reverse  func(ctx context.Context, words []string) ([]string, error)         `codec:"gob"`
}
