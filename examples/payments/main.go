// Command payments shows what to do about failures: payments are booked through a bank that is slow, at times busy, and at times down, 64
// at once and those of an account in order. What the bank refuses is listed at the end. It runs on an embedded broker.
//
// bank.go is the service, payments.go the handler and its route, which is what the example is about, demo.go sends payments and looks at
// what became of them.
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
	once     bool
	payments int
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
		Use:   "payments",
		Short: "Book payments through a bank that is slow and fails",
		Example: "  payments          run until Ctrl-C\n" +
			"  payments --once   stop when everything is consumed",
		Args:         cobra.NoArgs,
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.payments < 1 {
				return fmt.Errorf("--payments %d: want at least 1", o.payments)
			}
			s, err := demo(ctx, NewBank(), o, cmd.ErrOrStderr())
			if s != nil {
				s.write(cmd.OutOrStdout())
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&o.once, "once", false, "stop when everything is consumed")
	cmd.Flags().IntVar(&o.payments, "payments", 2000, "payments to send with --once; without it they go on and on")
	return cmd
}
