package framework

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"
	"golang.org/x/term"

	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/router"
)

// site is a program and its cluster, for commands that consume nothing.
type site struct {
	cfg     Config
	table   *router.Table
	cluster *kafka.Cluster
	opts    []kgo.Opt
}

// draw draws the routes without starting anything.
func (c *cli) draw(cfg Config) (*site, error) {
	s := &site{cfg: cfg}
	app := fx.New(
		injected(cfg),
		fx.Provide(
			func(p parts) (*router.Table, error) { return newTable(p, cfg) },
			func(p parts) (*kafka.Cluster, error) { return newCluster(cfg, p, zap.NewNop()) },
		),
		fx.Options(c.opts...),
		fx.Populate(&s.table, &s.cluster),
		fx.WithLogger(func() fxevent.Logger { return fxevent.NopLogger }),
	)
	if err := app.Err(); err != nil {
		return nil, &StartError{rootCause(err)}
	}
	return s, nil
}

// open finds out that the cluster answers.
func (c *cli) open() (*site, error) {
	cfg, err := c.load()
	if err != nil {
		return nil, err
	}
	s, err := c.draw(cfg)
	if err != nil {
		return nil, err
	}
	if s.opts, err = s.cluster.Options(); err != nil {
		return nil, err //nolint:wrapcheck // it names the option
	}
	return s, interruptible(s.cluster.Reach)
}

// interruptible runs fn with a context that a signal ends.
func interruptible(fn func(ctx context.Context) error) error {
	return withSignals(func(ctx, _ context.Context) error {
		err := fn(ctx)
		if err != nil && ctx.Err() != nil {
			return fmt.Errorf("interrupted: %w", err)
		}
		return err
	})
}

// operator is whom a command may ask. Signals are not caught meanwhile: Ctrl-C ends the program.
type operator struct {
	in io.Reader
	// asks is true when somebody sits there.
	asks bool
	// columns is the width of standard output; 0 when it is no screen.
	columns int
}

func newOperator() operator {
	o := operator{in: os.Stdin, asks: term.IsTerminal(int(os.Stdin.Fd()))}
	if columns, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil {
		o.columns = max(columns, 1)
	}
	return o
}

var (
	errNobody   = errors.New("standard input is no terminal, so nobody can be asked: add --yes to go on without a question")
	errDeclined = errors.New("not confirmed, nothing was changed")
)

func (o operator) confirm(w io.Writer, question string) error {
	if !o.asks {
		return errNobody
	}
	_, _ = fmt.Fprintf(w, "%s [y/N] ", question) // nobody to tell
	answer, err := bufio.NewReader(o.in).ReadString('\n')
	if err != nil {
		_, _ = fmt.Fprintln(w) // the line that Ctrl-D leaves open
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	default:
		return errDeclined
	}
}

// helpWidth is what a terminal has at least.
const helpWidth = 80

// finish gives every command its examples, mistakes on the command line a hint, and help that fits a terminal.
func (c *cli) finish(root *cobra.Command) {
	hint := func(cmd *cobra.Command, err error) error {
		if err == nil {
			return nil
		}
		return fmt.Errorf("%w: see %s --help", err, cmd.CommandPath())
	}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		path := strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), root.Name()), " ")
		var lines []string
		for _, e := range examples()[path] {
			lines = append(lines, "  "+root.Name()+" "+e)
		}
		cmd.Example = strings.Join(lines, "\n")
		if check := cmd.Args; check != nil {
			cmd.Args = func(cmd *cobra.Command, args []string) error { return hint(cmd, check(cmd, args)) }
		}
		if !cmd.Runnable() { // cobra would print help for a sub-command that there is not, and say nothing
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(root)
	root.SetFlagErrorFunc(hint)
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", helpWidth)))
}

func examples() map[string][]string {
	return map[string][]string{
		"":             {"--config prod.yaml", "lag", "topics apply --yes"},
		"server":       {"server", "server --brokers kafka-1:9092,kafka-2:9092", "server --include-groups pricing"},
		"routes":       {"routes", "routes -o mermaid", "routes -o dot | dot -Tsvg > flow.svg"},
		"config":       {"config check", "config show"},
		"config check": {"config check --config prod.yaml"},
		"config show":  {"config show --set log.level=debug"},
		"topics":       {"topics list", "topics plan", "topics apply"},
		"topics list":  {"topics list", "topics list -o yaml"},
		"topics plan":  {"topics plan", "topics plan -o json"},
		"topics apply": {"topics apply", "topics apply --yes"},
		"lag":          {"lag", "lag --watch", "lag --partitions --include-groups pricing", "lag -o json"},
		"dlq":          {"dlq list", "dlq show 0@17", "dlq replay --dry-run"},
		"dlq list":     {"dlq list", "dlq list orders.dlq --error timeout --since 2h", "dlq list --limit 0 -o json"},
		"dlq show":     {"dlq show 0@17", "dlq show orders.dlq 0@17 -o yaml"},
		"dlq replay": {
			"dlq replay --dry-run", "dlq replay orders.dlq --error-type '*net.OpError'", "dlq replay --letter 0@17 --yes",
			"dlq replay --to orders.repaired --since 2026-11-21T06:00:00Z",
		},
	}
}
