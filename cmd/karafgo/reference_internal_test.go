package main

import (
	"io"
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/internal/reference"
)

//go:generate env KARAFGO_UPDATE_GOLDEN=1 go test -count=1 -run ^TestCommandReference$ .

const commandsHead = `# The karafgo command

<!-- Generated from the commands' own help by "go generate ./cmd/karafgo". Do not edit. -->

` + "`karafgo`" + ` makes programs and runs them while they are developed, as [the first five minutes](../first-five-minutes.md) show. The
[commands of a program](cli.md) it hands on to the program in the current folder, which is built before when it has changed;
` + "`--app NAME`" + ` chooses where ` + "`cmd/`" + ` has several. Exit codes are 0 when it did what it was asked for, 1 when it did not and says why,
2 when it was stopped by force, and those of the program for what is handed on.
`

// The page is what --help says, of every command that there is.
func TestCommandReference(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	c := &cli{out: io.Discard, err: io.Discard}
	root := c.root()
	var handedOn []string // their help is the program's
	for _, cmd := range root.Commands() {
		if cmd.GroupID == groupApp {
			handedOn = append(handedOn, "[`"+cmd.Name()+"`](cli.md#program-"+cmd.Name()+")")
			root.RemoveCommand(cmd)
		}
	}
	head := commandsHead + "\nCommands that are handed on: " + strings.Join(handedOn, ", ") + ".\n"
	page := string(reference.Commands(root, "karafgo", head))
	const file = "../../docs/reference/karafgo.md"
	if os.Getenv("KARAFGO_UPDATE_GOLDEN") != "" {
		g.Expect(os.WriteFile(file, []byte(page), 0o644)).To(Succeed()) // documentation, for everyone to read
	}
	got, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(got)).To(Equal(page), "docs/reference/karafgo.md is not current: run go generate ./cmd/karafgo")
}
