//go:build !linux

package board

import (
	"errors"
	"os"
)

func createFile(int) (*os.File, error) { return nil, errors.ErrUnsupported }
func mapFile(*os.File) ([]byte, error) { return nil, errors.ErrUnsupported }
func protect([]byte) error             { return errors.ErrUnsupported }
func unmap([]byte) error               { return errors.ErrUnsupported }
func monotonic() int64                 { return 0 }
