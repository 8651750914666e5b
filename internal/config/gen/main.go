// Command gen writes docs/reference/config.md from the comments of package config. It is run by
// go generate in internal/config; a test fails when the file is not current.
package main

import (
	"fmt"
	"os"
)

const (
	source = "."
	target = "../../docs/reference/config.md"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

func run() error {
	page, err := reference(source)
	if err != nil {
		return err
	}

	const mode = 0o644 // documentation, for everyone to read

	if err := os.WriteFile(target, page, mode); err != nil {
		return fmt.Errorf("write reference: %w", err)
	}

	return nil
}
