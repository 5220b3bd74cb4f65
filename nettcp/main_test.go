package nettcp_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"hotline/internal/transporttest"
	"hotline/internal/wait"
)

// TestMain runs the tests, or plays the part that a test gave to this process.
func TestMain(m *testing.M) {
	transporttest.Main(conformance...)
	if part := os.Getenv(partVariable); part != "" {
		os.Exit(play(part))
	}
	wait.Parallel()
	goleak.VerifyTestMain(m)
}
