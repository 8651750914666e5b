// Command bank shows how an effect that must not happen twice happens once, whatever crashes: transactions are added to the balances of
// their accounts in a database, by two processes, which die with a given chance after a commit of the database and before Kafka knows of
// it, and are started again. In the end the balances are compared with what the topic says.
//
// bank.go is the handler and its routes, which is what the example is about. crash.go has the crashes, consume.go is one of the
// processes, database.go opens the database, demo.go runs it all, and check.go looks at the books.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// The patterns.
const (
	dedupe = "dedupe"
	stored = "offsets"
	both   = "both"
)

type options struct {
	pattern      string
	crash        float64
	once         bool
	runs         int // 0: until ctx ends
	transactions int
	postgres     string
	output       string
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

var errBooks = errors.New("the balances are not what the topic says")

func command(ctx context.Context) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "bank",
		Short: "Book transactions once, in processes that crash",
		Example: "  bank                            one run after the other, until Ctrl-C\n" +
			"  bank --once                     one run\n" +
			"  bank --runs 100 -o json         a hundred, with one JSON object as the last line\n" +
			"  bank --pattern offsets --once   with the offsets in the database\n" +
			"  bank --postgres URL --once      in PostgreSQL instead of SQLite",
		Args:         cobra.NoArgs,
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.once && !cmd.Flags().Changed("runs") {
				o.runs = 1
			}
			switch {
			case o.pattern != dedupe && o.pattern != stored && o.pattern != both:
				return fmt.Errorf("--pattern %s: want %s, %s or %s", o.pattern, dedupe, stored, both)
			case !(o.crash >= 0 && o.crash < 1):
				return fmt.Errorf("--crash %v: want a chance from 0 to less than 1", o.crash)
			case o.runs < 0 || o.runs == 0 && cmd.Flags().Changed("runs"):
				return fmt.Errorf("--runs %d: want at least 1", o.runs)
			case o.transactions < 1:
				return fmt.Errorf("--transactions %d: want at least 1", o.transactions)
			case o.output != "text" && o.output != "json":
				return fmt.Errorf("-o %s: want text or json", o.output)
			}
			s, err := demo(ctx, o, cmd.ErrOrStderr())
			err = errors.Join(err, s.write(o, cmd.OutOrStdout()))
			if err == nil && !s.BooksRight {
				err = errBooks
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.pattern, "pattern", dedupe, "dedupe: ids of messages in the database; offsets: offsets in the database; both")
	flags.Float64Var(&o.crash, "crash", 0.2, "chance that a process dies after a commit of the database")
	flags.BoolVar(&o.once, "once", false, "stop after one run")
	flags.IntVar(&o.runs, "runs", 0, "stop after so many runs; without it they go on and on")
	flags.IntVar(&o.transactions, "transactions", 60, "transactions of a run; some are written twice")
	flags.StringVar(&o.postgres, "postgres", "", "URL of a PostgreSQL database, where a run makes a schema and drops it; without it SQLite")
	flags.StringVarP(&o.output, "output", "o", "text", "text or json")
	cmd.AddCommand(consumeCommand(ctx))
	return cmd
}
