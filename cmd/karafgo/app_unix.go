//go:build unix

package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

const exeSuffix = ""

// become replaces this process with a program, which then has its terminal, its signals and its exit code. It returns only an error.
func become(binary string, args, env []string) error {
	if err := syscall.Exec(binary, args, env); err != nil { //nolint:gosec // the program that was built a moment ago
		return fmt.Errorf("run %s: %w", binary, err)
	}
	return nil
}

// group keeps Ctrl-C, which a terminal sends to all of a process group, from a command: it would hear it twice, and a second signal forces.
func group(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// terminate asks a program to stop.
func terminate(p *os.Process) error { return p.Signal(syscall.SIGTERM) }

// killGroup ends a command of group, and what it has started.
func killGroup(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGKILL) }

// hangups are sent when nobody reads any more: a terminal that is closed, a pipe whose reader has ended.
func hangups() []os.Signal { return []os.Signal{syscall.SIGHUP, syscall.SIGPIPE} }
