//go:build !linux

package lambdarun

import "syscall"

// dieWithUs is known to Linux only; elsewhere Close must be called.
func dieWithUs() *syscall.SysProcAttr { return nil }
