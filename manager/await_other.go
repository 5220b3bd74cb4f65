//go:build !linux

package manager

import "os/exec"

// awaitExit waits for the process itself here. What is left of its group is signalled by a pid that is free by then; it
// would have to be given to a new group's leader within microseconds to reach the wrong one.
func awaitExit(cmd *exec.Cmd) { cmd.Wait() }
