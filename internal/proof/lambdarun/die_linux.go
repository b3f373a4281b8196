package lambdarun

import "syscall"

// dieWithUs has a process end when the one that started it does, even while it
// is stopped.
func dieWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
