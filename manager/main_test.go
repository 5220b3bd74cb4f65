package manager

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain makes the test binary the programs that the tests run: which one is in the name that it is started by,
// fake.<what>.<name>.<port>.
func TestMain(m *testing.M) {
	if rest, ok := strings.CutPrefix(filepath.Base(os.Args[0]), "fake."); ok {
		if err := fake(strings.Split(rest, ".")); err != nil {
			fmt.Fprintln(os.Stderr, "fake:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
