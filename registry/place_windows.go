package registry

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// maxSocketPath is UNIX_PATH_MAX less the final zero.
const maxSocketPath = 107

const openFlags = 0

// userDir needs no user: os.TempDir is the user's own.
func userDir() string { return "hotline" }

// Who may write is not seen in the mode on Windows: the temporary directory and the profile are the user's own.
func checkOwner(fs.FileInfo) error      { return nil }
func writableByOthers(fs.FileMode) bool { return false }
func keepDir(string) *os.File           { return nil }

func renameBusy(err error) bool {
	return errors.Is(err, windows.ERROR_ACCESS_DENIED) || errors.Is(err, windows.ERROR_SHARING_VIOLATION)
}

// belongsTo is not known: no user has a directory of another's here.
func belongsTo(fs.FileInfo, int) bool { return false }
