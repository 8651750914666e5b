package main

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/karafgo/karafgo/internal/command"
)

func main() {
	os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr))
}

// cli is what the commands share.
type cli struct {
	out      io.Writer
	err      io.Writer
	operator command.Operator
}

func execute(args []string, stdout, stderr io.Writer) int {
	c := &cli{out: stdout, err: stderr, operator: command.NewOperator()}
	root := c.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.Execute(); err != nil {
		_, _ = fmt.Fprintln(stderr, "error:", command.Explain(err)) // nobody to tell
		return 1
	}
	return 0
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "karafgo",
		Short: "Make, run and operate programs that consume from Kafka",
		Long:  "Make, run and operate programs that consume from Kafka.",

		Version:      version(),
		SilenceUsage: true, SilenceErrors: true,
		Args: cobra.NoArgs,
	}
	root.SetVersionTemplate("karafgo {{.Version}}\n")
	command.Finish(root, map[string][]string{
		"": {"--version"},
	})
	return root
}

// version is that of the module that the binary was built from: v1.2.3, or (devel) in a checkout.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
