// Package hotline lets Go programs on one machine call each other over shared memory, for little more than a cache
// line's travel, and over TCP when they must be apart.
//
// A service is a struct that embeds [ServerMethodsBase]; its exported methods are found by reflection and served
// under a port and a name. A client is a struct that embeds [ClientMethodsBase]; [Connect] fills its function fields
// in, and they are called as functions are. There is no code generation, no interface definition and no daemon in the
// path of a call.
//
//	type Server struct {
//		hotline.ServerMethodsBase `port:"5555" name:"echo_serv"`
//	}
//
//	func (s *Server) Sum(ctx context.Context, a, b int) (int, error) { return a + b, nil }
//
//	func main() {
//		if err := hotline.Serve(context.Background(), new(Server)); err != nil {
//			log.Fatal(err)
//		}
//	}
//
// and in another process
//
//	var echo struct {
//		hotline.ClientMethodsBase `port:"5555" name:"echo_serv"`
//		Sum func(ctx context.Context, a, b int) (int, error)
//	}
//	err := hotline.Connect(ctx, &echo)
//	sum, err := echo.Sum(ctx, 2, 3)
//
// Each method has a codec, chosen by a tag: raw (bytes as they are), json, msgpack, cbor, gob, or one of the user's own.
// A client says by which way it wants to reach the service (auto://, shm://, unix://, tcp://, tls://), and the
// handshake checks that both sides agree on every method that the client has.
//
// A program may begin as one process, whose clients reach its own [Server] by inproc://, with the same codecs and checks, or
// as plain function calls where [Dialer.Direct] says so, and be split later by other addresses. Package hotlinetest connects
// the client and the services of a test in that way.
//
// The protocol is in spec.md.
package hotline
