package manager

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// privateMemory returns how much memory would be free if the process ended: the proportional set size (PSS), which counts
// pages that are shared with others by their share. The resident set (RSS), which counts them whole, does not stand in for it
// where the kernel does not tell it: a section of workers that share a large model would be replaced for ever.
func privateMemory(pid int) (int64, error) {
	return kilobytes(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
}

// kilobytes returns, in bytes, the value that a file of /proc has for a word, in kB.
func kilobytes(file, word string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for in := bufio.NewScanner(bytes.NewReader(text)); in.Scan(); {
		field := bytes.Fields(in.Bytes())
		if len(field) == 3 && string(field[0]) == word && string(field[2]) == "kB" {
			n, err := strconv.ParseInt(string(field[1]), 10, 53)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no %s", file, word)
}
