package kafka

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed pom.xml
var pom []byte

// jars returns the folder of the brokers' jars, in the user's cache; Maven fetches them the first time.
func jars(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache: %w", err)
	}
	sum := sha256.Sum256(pom)
	dir := filepath.Join(cache, "karafgo", "kafka-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o750); err != nil {
		return "", fmt.Errorf("make the cache: %w", err)
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "fetching-")
	if err != nil {
		return "", fmt.Errorf("make the cache: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), pom, 0o600); err != nil {
		return "", fmt.Errorf("write pom.xml: %w", err)
	}
	fetched := filepath.Join(work, "jars")
	args := []string{"-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=" + fetched}
	cmd := exec.CommandContext(ctx, "mvn", args...) //nolint:gosec // our own
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("fetch Apache Kafka from Maven Central: %w (is Maven installed, and does it reach it?)\n%s", err, out)
	}
	if err := os.Rename(fetched, dir); err != nil {
		if _, there := os.Stat(dir); there == nil {
			return dir, nil // another run was faster
		}
		return "", fmt.Errorf("keep the jars: %w", err)
	}
	return dir, nil
}
