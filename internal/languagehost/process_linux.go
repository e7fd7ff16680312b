package languagehost

import "syscall"

// groupAttributes put a child into a group of its own. The kernel kills it
// should this process be killed before it can do so itself.
func groupAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
