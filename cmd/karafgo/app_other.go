//go:build !unix

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

const exeSuffix = ".exe"

// become runs a program in this one's place, and returns its exit code as an error.
func become(binary string, args, env []string) error {
	cmd := exec.Command(binary, args[1:]...) //nolint:noctx // the user ends it
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return &exit{code: failed.ExitCode()}
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", binary, err)
	}
	return nil
}

func group(*exec.Cmd) {}

// terminate ends a program: nothing here asks it to stop by itself.
func terminate(p *os.Process) error { return p.Kill() }

func killGroup(p *os.Process) error { return p.Kill() }

// hangups are none of their own here; no signal at all would stand for each.
func hangups() []os.Signal { return []os.Signal{os.Interrupt} }
