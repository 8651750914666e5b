// Command orders shows karafgo at work: orders are produced, priced, mailed, indexed and audited, on an embedded broker or, with
// --brokers, on a real cluster.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

type options struct {
	once    bool
	output  string
	brokers []string
	orders  int
	quiet   bool
}

func main() {
	signals := make(chan os.Signal, 2) //nolint:mnd // one stops, the second forces
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-signals
		cancel()
		<-signals
		fmt.Fprintln(os.Stderr, "stopped by force")
		os.Exit(2) //nolint:mnd // as the framework's forced stop
	}()
	cmd := command(ctx)
	if err := cmd.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", strings.ReplaceAll(err.Error(), "\n", "\n       "))
		os.Exit(1)
	}
}

func command(ctx context.Context) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "orders",
		Short: "Produce, price, mail, index and audit orders",
		Example: "  orders                       run until Ctrl-C\n" +
			"  orders --once                stop when everything is consumed\n" +
			"  orders --once -o json        the same, with one JSON object as the last line\n" +
			"  orders --brokers host:9092   use a real cluster",
		Args:         cobra.NoArgs,
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.output != "text" && o.output != "json" {
				return fmt.Errorf("-o %s: want text or json", o.output)
			}
			if o.orders < 1 {
				return fmt.Errorf("--orders %d: want at least 1", o.orders)
			}
			if cmd.Flags().Changed("brokers") && (len(o.brokers) == 0 || slices.Contains(o.brokers, "")) {
				return errors.New("--brokers: want host:port, separated by commas")
			}
			return demo(ctx, o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.once, "once", false, "stop when everything is consumed")
	flags.StringVarP(&o.output, "output", "o", "text", "text or json")
	flags.StringSliceVar(&o.brokers, "brokers", nil, "a real cluster's brokers, host:port, separated by commas")
	flags.IntVar(&o.orders, "orders", 3000, "orders to produce with --once; without it they go on and on") //nolint:mnd // its default
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "no progress lines")
	return cmd
}
