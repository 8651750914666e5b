package guide_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

var goBlock = regexp.MustCompile("(?s)```go\n(package .*?)```")

// TestProgramsCompile compiles every whole program of the README and the guide.
func TestProgramsCompile(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	root, err := filepath.Abs("../..")
	g.Expect(err).NotTo(HaveOccurred())
	pages, err := filepath.Glob("*.md")
	g.Expect(err).NotTo(HaveOccurred())
	found := 0
	for _, page := range append(pages, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(page)
		g.Expect(err).NotTo(HaveOccurred())
		for _, block := range goBlock.FindAllStringSubmatch(string(text), -1) {
			found++
			// Inside the module, so that its requirements hold; the underscore keeps it out of ./... .
			dir, err := os.MkdirTemp(root, "_snippet") //nolint:usetesting // not anywhere else
			g.Expect(err).NotTo(HaveOccurred())
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			g.Expect(os.WriteFile(filepath.Join(dir, "main.go"), []byte(block[1]), 0o600)).To(Succeed())
			cmd := exec.CommandContext(t.Context(), "go", "vet", ".")
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			g.Expect(err).NotTo(HaveOccurred(), "%s: %s", page, strings.TrimSpace(string(out)))
		}
	}
	g.Expect(found).To(BeNumerically(">=", 2))
}
