// Package filelock locks whole files between processes, with locks that the kernel releases when their holder ends.
//
// A lock belongs to the open file (flock on Unix, LockFileEx on Windows): it ends when the file is closed, in the
// process that opened it and in every process that inherited it. Files opened by package os are not inherited by
// programs that are started with exec, so a lock never outlives its process by more than the instant between a
// fork and its exec.
package filelock
