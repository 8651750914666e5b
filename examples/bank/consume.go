package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/router"
)

// consuming is one consumer process: what the program starts two of.
type consuming struct {
	pattern        string
	crash          float64
	brokers        []string
	instance       string
	driver, source string
	stderr         io.Writer
}

func consumeCommand(ctx context.Context) *cobra.Command {
	var c consuming
	cmd := &cobra.Command{
		Use:    "consume",
		Short:  "Be one of the consumer processes, until standard input ends",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := context.WithCancel(ctx)
			defer stop()
			go func() {
				_, _ = io.Copy(io.Discard, cmd.InOrStdin()) // it ends with the process that started this one, too
				stop()
			}()
			err := c.run(ctx)
			if start := (*framework.StartError)(nil); ctx.Err() != nil && (errors.As(err, &start) || errors.Is(err, errNotOpen)) {
				return nil // told to stop while it started: nothing was consumed
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&c.pattern, "pattern", dedupe, "dedupe, offsets or both")
	flags.Float64Var(&c.crash, "crash", 0, "chance to crash after a commit of the database")
	flags.StringSliceVar(&c.brokers, "brokers", nil, "host:port")
	flags.StringVar(&c.instance, "instance", "", "its name; the same after a restart on the same host")
	flags.StringVar(&c.driver, "driver", "sqlite", "driver of the database")
	flags.StringVar(&c.source, "source", "", "the database")
	return cmd
}

func (c consuming) run(ctx context.Context) error {
	t, err := open(ctx, c.driver, c.source)
	if err != nil {
		return err
	}
	defer t.close()
	chance := crash(c.crash)
	var routes router.Drawer
	var outside []consumer.Middleware
	switch c.pattern {
	case dedupe:
		routes, outside = Deduped(t.ids), []consumer.Middleware{chance.afterDedupe}
	case stored:
		routes = Stored(crashingStore{t.store, chance})
	default:
		routes = Both(crashingStore{t.store, chance}, t.ids)
	}
	cfg := framework.DefaultConfig()
	cfg.Kafka.Brokers = c.brokers
	cfg.Kafka.ClientID = c.instance
	cfg.Group.InstanceID = c.instance                                           // who is back in time gets its partitions back
	cfg.Group.SessionTimeout, cfg.Group.HeartbeatInterval = session, session/10 // else the others do, soon
	cfg.Commit.Interval = tick
	cfg.HTTP.Listen = ""
	cfg.Log.Level = "error"
	return framework.Run(ctx, cfg, framework.Routes(routes), framework.Use(outside...))
}
