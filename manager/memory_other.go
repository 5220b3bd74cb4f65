//go:build !linux

package manager

import "errors"

func privateMemory(int) (int64, error) {
	return 0, errors.New("the memory of a process can be read on Linux only")
}
