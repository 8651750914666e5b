package main

import "syscall"

// own lets a process end with the ledger, and keeps the terminal's signals from it.
func own() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
