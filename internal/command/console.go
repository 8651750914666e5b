package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/admin"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/router"
)

// Console has the commands that need a cluster, and no program: groups, reset, produce and tail. They stand in every program, and in
// karafgo.
type Console struct {
	Out, Err io.Writer
	Operator Operator
	// Open reads the configuration and says where the cluster is. Nothing is connected yet.
	Open func() (*Site, error)
}

// Site is a cluster, and the program that is asked, if there is one.
type Site struct {
	Config  config.Config
	Cluster *kafka.Cluster
	// Routes are those of the program; nil without one.
	Routes *router.Table
}

// Commands are all of them. Examples has what they are used for.
func (c *Console) Commands() []*cobra.Command {
	return []*cobra.Command{c.produce(), c.tail(), c.groups(), c.reset()}
}

// Examples are those of the commands, for [Finish].
func (c *Console) Examples() map[string][]string {
	return map[string][]string{
		"produce": {
			`produce orders.created --key o-1 '{"id":1}'`, "produce orders.created --key o-1 --null",
			"produce orders.created --file orders.jsonl", "produce orders.created --raw --header source=shop < values.txt",
		},
		"tail": {
			"tail orders.created", "tail orders.created -f", "tail orders.created --from 2h --key o-1",
			"tail orders.created -n 100 --grep refund -o json", "tail orders.created --from 4711 -p 2 -n 1 -o yaml",
		},
		"groups":      {"groups", "groups show pricing", "groups -o json"},
		"groups show": {"groups show pricing", "groups show pricing -o yaml"},
		"reset": {
			"reset pricing --to earliest --dry-run", "reset pricing --to 2h",
			"reset pricing --to 2026-11-21T06:00:00Z --topic orders.created",
			"reset pricing --to 4711 --topic orders.created --partition 2", "reset pricing --by -100 --yes",
		},
	}
}

// open finds out that the cluster answers, and makes a client with more options.
func (c *Console) open(more ...kgo.Opt) (*Site, *admin.Cluster, error) {
	s, err := c.Open()
	if err != nil {
		return nil, nil, err
	}
	opts, err := s.Cluster.Options()
	if err != nil {
		return nil, nil, err //nolint:wrapcheck // it names the option
	}
	if err := Interruptible(s.Cluster.Reach); err != nil {
		return nil, nil, err
	}
	a, err := admin.Open(append(opts, more...)...)
	return s, a, err //nolint:wrapcheck // it says what
}

// ask runs a question that a broker answers, until kafka.boot_timeout or a signal.
func (s *Site) ask(question func(ctx context.Context) error) error {
	return Interruptible(func(ctx context.Context) error {
		asking, cancel := context.WithTimeout(ctx, s.Config.Kafka.BootTimeout)
		defer cancel()
		err := question(asking)
		if err != nil && ctx.Err() == nil && asking.Err() != nil {
			return fmt.Errorf("no answer within kafka.boot_timeout (%s): %w", s.Config.Kafka.BootTimeout, err)
		}
		return err
	})
}

// beside is where a command talks to people: not to standard output, where a program expects the result.
func (c *Console) beside(out Format) io.Writer {
	if out == Table {
		return c.Out
	}
	return c.Err
}

// unknown adds to an error about a topic or a group that does not exist which one may have been meant.
func unknown(ctx context.Context, err error, a *admin.Cluster, name string) error {
	list, what := a.TopicNames, "topic"
	switch {
	case errors.Is(err, admin.ErrNoGroup):
		list, what = a.GroupNames, "group"
	case !errors.Is(err, admin.ErrNoTopic):
		return err
	}
	names, _ := list(ctx) // the error is about something else
	if near := config.Nearest(name, names); near != "" {
		return fmt.Errorf("%w: did you mean %s?", err, near)
	}
	if len(names) == 0 {
		return fmt.Errorf("%w: the cluster has no %ss", err, what)
	}
	const most = 5
	more := ""
	if len(names) > most {
		names, more = names[:most], ", …"
	}
	return fmt.Errorf("%w: the cluster has %s%s", err, strings.Join(names, ", "), more)
}
