//go:build unix && !aix && !solaris

package devbroker

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// lock takes the folder, until the result is closed or the process ends: two brokers would write into each other's files.
func lock(dir string) (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock DataDir: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("DataDir %s is another broker's, which is running: stop it, or choose another folder", dir)
		}
		return nil, fmt.Errorf("lock DataDir %s: %w", dir, err)
	}
	return f, nil
}
