package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
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
	err := root.Execute()
	if err == nil {
		return 0
	}
	end := (*exit)(nil)
	if !errors.As(err, &end) {
		end = &exit{code: exitFailed, why: err}
	}
	if end.why != nil {
		_, _ = fmt.Fprintln(stderr, "error:", command.Explain(end.why)) // nobody to tell
	}
	return end.code
}

// The exit codes, as those of programs.
const (
	exitFailed = 1
	exitForced = 2
)

// exit is an error with an exit code of its own.
type exit struct {
	code int
	why  error // nil when all is said
}

func (e *exit) Error() string {
	if e.why == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.why.Error()
}

func (e *exit) Unwrap() error { return e.why }

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "karafgo",
		Short: "Make, run and operate programs that consume from Kafka",
		Long:  "Make, run and operate programs that consume from Kafka.",

		Version:      version(),
		SilenceUsage: true, SilenceErrors: true,
		Args: cobra.NoArgs,
	}
	root.SetOut(c.out)
	root.SetErr(c.err)
	root.SetVersionTemplate("karafgo {{.Version}}\n")
	root.AddGroup(
		&cobra.Group{ID: groupRun, Title: "Make and run:"},
		&cobra.Group{ID: groupCluster, Title: "Of a cluster:"},
		&cobra.Group{ID: groupApp, Title: "Of the app in this folder (--app NAME where cmd/ has several):"},
	)
	root.AddCommand(c.newProgram(), c.generate(), c.dev(), c.broker())
	root.AddCommand(c.forwarded()...)
	examples := map[string][]string{
		"":       {"new shop", "dev", "broker --data-dir .kafka --topics orders:6", "lag --watch"},
		"dev":    {"dev", "dev --app orders --no-samples", "dev -- --set log.level=debug"},
		"broker": {"broker", "broker --topics orders:6,payments:3 --data-dir .kafka", "broker --listen 127.0.0.1:19092 --brokers 3"},
	}
	maps.Copy(examples, scaffoldExamples())
	console, theirs := c.cluster()
	root.AddCommand(console...)
	maps.Copy(examples, theirs)
	command.Finish(root, examples)
	return root
}

// version is that of the module that the binary was built from: v1.2.3, or (devel) in a checkout.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
