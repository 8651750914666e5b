package kafka

import "syscall"

// own lets a broker end with the process that started it, however that ends, and keeps the terminal's signals from it.
func own() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
