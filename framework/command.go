package framework

import (
	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/fx"
	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"

	"github.com/karafgo/karafgo/internal/command"
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
	return s, command.Interruptible(s.cluster.Reach)
}

// completions completes the flags that choose routes, by those that are drawn.
func (c *cli) completions(root *cobra.Command) {
	groups := command.Words(c.drawn(func(t *router.Table) (ids []string) {
		for _, g := range t.Groups() {
			ids = append(ids, g.ID)
		}
		return ids
	}))
	topics := command.Words(c.drawn((*router.Table).Topics))
	command.Complete(root, map[string]command.Completion{
		"include-groups": groups, "exclude-groups": groups, "include-topics": topics, "exclude-topics": topics,
	})
}

// drawn are names from the routes. Whoever presses Tab is not told what is wrong with them.
func (c *cli) drawn(names func(*router.Table) []string) func() []string {
	return func() []string {
		cfg, err := c.load()
		if err != nil {
			return nil
		}
		s, err := c.draw(cfg)
		if err != nil {
			return nil
		}
		return names(s.table)
	}
}

// console has the commands that need no routes, and know them here.
func (c *cli) console() *command.Console {
	return &command.Console{Out: c.out, Err: c.err, Operator: c.operator, Open: func() (*command.Site, error) {
		cfg, err := c.load()
		if err != nil {
			return nil, err
		}
		s, err := c.draw(cfg)
		if err != nil {
			return nil, err
		}
		return &command.Site{Config: s.cfg, Cluster: s.cluster, Routes: s.table}, nil
	}}
}

func examples() map[string][]string {
	return map[string][]string{
		"completion":   {"completion bash > /etc/bash_completion.d/orders", "completion zsh > ~/.zfunc/_orders"},
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
		"doctor":       {"doctor", "doctor --config prod.yaml -o json"},
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
