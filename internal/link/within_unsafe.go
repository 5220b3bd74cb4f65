package link

import "unsafe"

// within reports whether all of part lies in memory that whole has.
func within(part, whole []byte) bool {
	if len(part) == 0 {
		return false
	}
	from, at := uintptr(unsafe.Pointer(unsafe.SliceData(whole))), uintptr(unsafe.Pointer(unsafe.SliceData(part)))
	return at >= from && at-from+uintptr(len(part)) <= uintptr(cap(whole))
}
