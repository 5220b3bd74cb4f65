package hsem

// The file of a hybrid lock: one page, see spec.md. All numbers are little-endian.
const (
	hybridPrefix = "hsem." // of the file's name
	hybridSize   = 4096

	offMagic   = 0   // 4 bytes: hybridMagic
	offVersion = 4   // 4 bytes: hybridVersion
	offSize    = 8   // 4 bytes: hybridSize
	offState   = 128 // 8 bytes: see hybrid. Nothing else is near it, because CPUs fetch cache lines in pairs
	offSlots   = 256 // 4 bytes: the slot given out last

	hybridMagic   = 0x4d455348 // the bytes HSEM
	hybridVersion = 1

	// A handle has a slot for as long as it is open: it keeps the write lock (F_OFD_SETLK) on the one byte at slotBase + slot,
	// far behind the file's end. The kernel lets go of it when the handle is closed or its process dies, whatever it dies of.
	slotBase = 1 << 32
)

// The file of a POSIX semaphore: glibc's sem_t on CPUs with 64-bit atomics. glibc never touches what is behind its pad.
const (
	posixPrefix = "sem."
	posixSize   = 32

	offData    = 0  // 8 bytes: see counting
	offPrivate = 8  // 4 bytes: posixShared
	offMark    = 16 // 4 bytes: not 0 once Destroy was called; ours

	posixShared = 128 // glibc's LLL_SHARED: futexes without FUTEX_PRIVATE_FLAG
)
