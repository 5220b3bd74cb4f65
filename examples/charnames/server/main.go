// Command server is the charnames service, run by hand: until Ctrl-C, without a manager.
package main

import (
	"context"
	"log"

	"hotline"
	"hotline/examples/charnames"
)

func main() {
	if err := hotline.Serve(context.Background(), new(charnames.Server)); err != nil {
		log.Fatal(err)
	}
}
