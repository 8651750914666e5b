package testkit

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/karafgo/karafgo/router"
)

// updateGolden is the environment variable that lets [GoldenRoutes] write its file.
const updateGolden = "KARAFGO_UPDATE_GOLDEN"

// GoldenRoutes compares the table that drawers draw with a file, so that a change of routes shows in a review. With
// KARAFGO_UPDATE_GOLDEN=1 in the environment it writes the file instead. It fails the test when the routes are drawn wrong.
func GoldenRoutes(tb testing.TB, file string, drawers ...router.Drawer) {
	tb.Helper()
	table, err := router.Draw(drawers...)
	if err != nil {
		tb.Fatalf("testkit: the routes are drawn wrong:\n%v", err)
	}
	have := table.String()
	if os.Getenv(updateGolden) != "" {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(have), 0o600); err != nil {
			tb.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		tb.Fatalf("testkit: %v: run the test with %s=1 to write it", err, updateGolden)
	}
	if string(want) != have {
		tb.Errorf("the routes have changed; run the test with %s=1 if that is meant.\n%s:\n%s\ndrawn now:\n%s",
			updateGolden, file, want, have)
	}
}
