package outcometest

import (
	"encoding/binary"
	"io"
	"os"
	"testing"
)

// Mark notes in a file, which is open for appending, that call id was executed. What one write has appended is there though the
// process is killed in the next moment.
func Mark(file io.Writer, id uint64) error {
	_, err := file.Write(binary.LittleEndian.AppendUint64(nil, id))
	return err
}

// Marks returns how often each call was executed, as noted in the file of that name.
func Marks(t testing.TB, name string) map[uint64]int {
	t.Helper()
	marks, err := os.ReadFile(name)
	if err != nil || len(marks)%8 != 0 {
		t.Fatalf("%d bytes of marks: %v", len(marks), err)
	}
	times := make(map[uint64]int)
	for ; len(marks) > 0; marks = marks[8:] {
		times[binary.LittleEndian.Uint64(marks)]++
	}
	return times
}
