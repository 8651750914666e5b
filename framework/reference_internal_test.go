package framework

import (
	"io"
	"os"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/internal/reference"
)

//go:generate env KARAFGO_UPDATE_GOLDEN=1 go test -count=1 -run ^TestCommandReference$ .

const commandsHead = `# Commands

<!-- Generated from the commands' own help by "go generate ./framework". Do not edit. -->

A program that calls ` + "`framework.Main`" + ` is its own command line; here it is called ` + "`program`" + `. What the commands print and how they are used stands in
[operating](../guide/operating.md). All of them read the [configuration](config.md), and connect as the server does. Mistakes on the command line
and in the configuration end with exit code 1.
`

// The page is what --help says, of every command that there is.
func TestCommandReference(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	c := &cli{out: io.Discard, err: io.Discard}
	page := reference.Commands(c.root(), "program", commandsHead)
	const file = "../docs/reference/cli.md"
	if os.Getenv("KARAFGO_UPDATE_GOLDEN") != "" {
		g.Expect(os.WriteFile(file, page, 0o644)).To(Succeed()) // documentation, for everyone to read
	}
	got, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(got)).To(Equal(string(page)), "docs/reference/cli.md is not current: run go generate ./framework")
}
