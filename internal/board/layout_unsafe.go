package board

import "unsafe"

// lay lays a board over mem, which is page-aligned memory of size(methods, shards) bytes that stays for as long as the
// result is used.
func lay(mem []byte, methods, shards int) *memory {
	base := unsafe.Pointer(&mem[:size(methods, shards)][0])
	m := &memory{
		header: (*header)(base),
		places: (*places)(unsafe.Add(base, placesOffset)),
		marks:  (*marks)(unsafe.Add(base, marksOffset)),
	}
	var all []row
	if methods > 0 {
		all = unsafe.Slice((*row)(unsafe.Add(base, rowsOffset)), shards*methods)
	}
	for s := range shards {
		m.rows = append(m.rows, all[s*methods:(s+1)*methods])
	}
	return m
}

// What the offsets above say, as the compiler sees it: a difference is an array of a negative size.
type (
	_ [0 - (unsafe.Sizeof(row{}) ^ rowSize)]struct{}
	_ [0 - (unsafe.Sizeof(places{}) ^ (marksOffset - placesOffset))]struct{}
	_ [0 - (unsafe.Sizeof(marks{}) ^ (rowsOffset - marksOffset))]struct{}
	_ [0 - (unsafe.Offsetof(header{}.pulse) ^ 128)]struct{}
)
