//go:build !linux

package kafka

import "syscall"

// own keeps the terminal's signals from a broker.
func own() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
