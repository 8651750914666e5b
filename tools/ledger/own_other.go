//go:build !linux

package main

import "syscall"

// own keeps the terminal's signals from a process.
func own() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
