package registry_test

import (
	"fmt"
	"log"
	"os"

	"hotline/registry"
)

func Example() {
	path, err := os.MkdirTemp("", "hl")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(path)
	d, err := registry.Open(path) // "" for the user's own directory
	if err != nil {
		log.Fatal(err)
	}

	e, err := d.Register(registry.Instance{Name: "echo_serv", Port: "5555", Version: "1.0.0"})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	if err := e.Update(registry.Ready, []string{"tcp://127.0.0.1:5555"}); err != nil {
		log.Fatal(err)
	}

	found, err := d.Lookup("echo_serv")
	if err != nil {
		log.Fatal(err)
	}
	for _, i := range found {
		fmt.Println(i.Key(), "on port", i.Port, "is", i.State, "at", i.Addresses)
	}
	_, err = d.Register(registry.Instance{Name: "another", Port: "5555"})
	fmt.Println("refused:", err != nil)
	// Output:
	// echo_serv@1 on port 5555 is ready at [tcp://127.0.0.1:5555]
	// refused: true
}
