package framework

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.uber.org/fx"

	"github.com/karafgo/karafgo/internal/command"
)

// Main is the main function of a program: it reads the command line and the configuration, runs, and exits. SIGINT or SIGTERM drains
// and stops; a second one stops by force. See the package comment for exit codes.
func Main(opts ...fx.Option) {
	os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr, opts)) //nolint:forbidigo // it is the program's main
}

// cli is what the commands share.
type cli struct {
	opts     []fx.Option
	source   command.Source
	choose   map[string]*[]string // lists of the section routes, by key
	out      io.Writer
	err      io.Writer
	operator command.Operator
}

func execute(args []string, stdout, stderr io.Writer, opts []fx.Option) int {
	c := &cli{opts: opts, out: stdout, err: stderr, operator: command.NewOperator()}
	return c.execute(args)
}

func (c *cli) execute(args []string) int {
	root := c.root()
	root.SetArgs(args)
	err := root.Execute()
	if err != nil && !errors.Is(err, errDiffers) && !errors.Is(err, errUnwell) { // those are printed already
		_, _ = fmt.Fprintln(c.err, "error:", command.Explain(err)) // nobody to tell
	}
	return ExitCode(err)
}

func (c *cli) root() *cobra.Command {
	server := c.server()
	root := &cobra.Command{
		Use:   "program",
		Short: "A karafgo program: without a command it consumes.",
		Long: "A karafgo program: without a command it consumes.\n\n" +
			"Exit codes:\n" +
			"  0 stopped cleanly, or did what it was asked for\n" +
			"  1 could not start, or did not do it\n" +
			"  2 stopped by force\n" +
			"  3 fatal error while running\n" +
			"  4 topics plan found differences",
		SilenceUsage: true, SilenceErrors: true,
		Args: cobra.NoArgs,
		RunE: server.RunE,
	}
	root.SetOut(c.out)
	root.SetErr(c.err)
	if len(os.Args) > 0 {
		root.Use = filepath.Base(os.Args[0])
	}
	flags := root.PersistentFlags()
	c.source.Flags(root)
	c.choose = map[string]*[]string{}
	for _, f := range []struct{ key, usage string }{
		{"include_groups", "consume only these groups"},
		{"exclude_groups", "leave out these groups"},
		{"include_topics", "consume only these topics"},
		{"exclude_topics", "leave out these topics"},
	} {
		c.choose[f.key] = flags.StringSlice(strings.ReplaceAll(f.key, "_", "-"), nil, f.usage+", separated by commas")
	}
	root.AddCommand(server, c.routes(), c.config(), c.topics(), c.lag(), c.dlq(), c.doctor())
	c.completions(root)
	console := c.console()
	root.AddCommand(console.Commands()...)
	all := examples()
	maps.Copy(all, console.Examples())
	command.Finish(root, all)
	return root
}

// load reads the configuration; its error lists every mistake.
func (c *cli) load() (Config, error) {
	flags := map[string]string{}
	for key, names := range c.choose {
		if len(*names) > 0 {
			flags["routes."+key] = strings.Join(*names, ",")
		}
	}
	cfg, err := c.source.Load(flags)
	if err != nil {
		return Config{}, &StartError{err}
	}
	return cfg, nil
}

func (c *cli) server() *cobra.Command {
	return &cobra.Command{
		Use: "server", Short: "Consume until SIGINT or SIGTERM", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			defaultSlog(cfg.Log)
			return command.WithSignals(func(ctx, forced context.Context) error {
				var stop func()
				defer func() {
					if stop != nil {
						stop()
					}
				}()
				return run(ctx, forced, cfg, append(slices.Clip(c.opts), fx.Invoke(func(c *Control) { stop = operate(c) }))...)
			})
		},
	}
}

func (c *cli) config() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check or show the configuration", Args: cobra.NoArgs}
	cmd.AddCommand(
		&cobra.Command{
			Use: "check", Short: "Check configuration and routes, and report every mistake", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				cfg, err := c.load()
				if err != nil {
					return err
				}
				if _, err := c.draw(cfg); err != nil {
					return err
				}
				_, err = fmt.Fprintln(c.out, "configuration and routes are right")
				return err //nolint:wrapcheck // standard output
			},
		},
		&cobra.Command{
			Use: "show", Short: "Print the configuration in force", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				cfg, err := c.load()
				if err != nil {
					return err
				}
				text, err := cfg.YAML()
				if err == nil {
					_, err = c.out.Write(text)
				}
				return err //nolint:wrapcheck // standard output
			},
		},
	)
	return cmd
}
