package manager_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"hotline/manager"
)

// Every mistake in a file is told at once, with its line and what to do.
func ExampleLoad() {
	dir, err := os.MkdirTemp("", "hl")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "service.ini")
	text := `[Server]
import_from = example.com/echo
min_proc_nun = 2
wait_until_completed = perhaps
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		log.Fatal(err)
	}
	_, err = manager.Load(file)
	for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
		var mistake *manager.ConfigError
		if errors.As(err, &mistake) {
			fmt.Printf("line %d, %s: %v\n", mistake.Line, mistake.Key, mistake.Err)
		}
	}
	// Output:
	// line 3, min_proc_nun: there is no such key: did you mean min_proc_num?
	// line 4, wait_until_completed: "perhaps" is neither true nor false: write one of them
}
