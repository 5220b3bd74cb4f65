//go:build !unix

package manager

import "os"

// terminalGone knows nothing of terminals here, where no SIGHUP comes either.
func terminalGone(*os.File) bool { return false }
