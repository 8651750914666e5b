// Command gen writes docs/reference/metrics.md and docs/reference/events.md. It is run by go generate in internal/reference; a test fails
// when a file is not current.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/karafgo/karafgo/internal/reference"
)

const (
	source = "../../callbacks"
	target = "../../docs/reference"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

func run() error {
	metrics, err := reference.Metrics()
	if err != nil {
		return err
	}
	events, err := reference.Events(source)
	if err != nil {
		return err
	}
	for name, page := range map[string][]byte{"metrics.md": metrics, "events.md": events} {
		const mode = 0o644 // documentation, for everyone to read
		if err := os.WriteFile(filepath.Join(target, name), page, mode); err != nil {
			return fmt.Errorf("write reference: %w", err)
		}
	}
	return nil
}
