package launch

import (
	"os/exec"
	"syscall"
)

// EndWithThread lets the kernel send the process a signal when the thread that starts it ends, as it does when the caller is
// killed. So that thread must live as long as the process. cmd.SysProcAttr must be set. Only Linux does this.
func EndWithThread(cmd *exec.Cmd, signal syscall.Signal) { cmd.SysProcAttr.Pdeathsig = signal }

// threadEnded returns that signal, or 0.
func threadEnded(cmd *exec.Cmd) syscall.Signal {
	if cmd.SysProcAttr == nil {
		return 0
	}
	return cmd.SysProcAttr.Pdeathsig
}
