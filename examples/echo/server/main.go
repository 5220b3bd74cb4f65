// Command server is the echo service, run by hand: over shared memory and a unix socket, until Ctrl-C.
package main

import (
	"context"
	"log"

	"hotline"
	"hotline/examples/echo"
)

func main() {
	if err := hotline.Serve(context.Background(), new(echo.Server)); err != nil {
		log.Fatal(err)
	}
}
