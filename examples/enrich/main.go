// Command enrich shows how results are written: views of pages get the profiles of their users, counts of them are written by batches,
// and the program reports about itself through its Producer. It runs on an embedded broker.
//
// enrich.go has the topics, the responders and their routes, which is what the example is about, demo.go sends views and profiles, and
// summary.go reads what was written and compares.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

type options struct {
	once  bool
	views int
}

func main() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-signals
		cancel()
		<-signals
		fmt.Fprintln(os.Stderr, "stopped by force")
		os.Exit(2)
	}()
	if err := command(ctx).Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", strings.ReplaceAll(err.Error(), "\n", "\n       "))
		os.Exit(1)
	}
}

func command(ctx context.Context) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "enrich",
		Short: "Add the profiles of users to views of pages, and count",
		Example: "  enrich          run until Ctrl-C\n" +
			"  enrich --once   stop when everything is consumed",
		Args:         cobra.NoArgs,
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.views < 1 {
				return fmt.Errorf("--views %d: want at least 1", o.views)
			}
			s, err := demo(ctx, o, cmd.ErrOrStderr())
			if s != nil {
				s.write(cmd.OutOrStdout())
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&o.once, "once", false, "stop when everything is consumed")
	cmd.Flags().IntVar(&o.views, "views", 3000, "views to send with --once; without it they go on and on")
	return cmd
}
