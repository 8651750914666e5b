package devbroker

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	lockFile = "lock"
	metaFile = "meta.json" // the fake writes it first
)

// take makes the folder and keeps other brokers from it.
func take(dir string) (io.Closer, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make DataDir: %w", err)
	}
	if err := ours(dir); err != nil {
		return nil, err
	}
	return lock(dir)
}

// ours refuses a folder that holds anything else: somebody's files would lie among those of the broker.
func ours(dir string) error {
	_, err := os.Stat(filepath.Join(dir, metaFile))
	if !errors.Is(err, fs.ErrNotExist) {
		return err //nolint:wrapcheck // it names the file
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read DataDir: %w", err)
	}
	for _, e := range entries {
		if e.Name() != lockFile {
			return fmt.Errorf("DataDir %s holds %s, which no broker has written: choose an empty folder, or one that does not exist",
				dir, e.Name())
		}
	}
	return nil
}
