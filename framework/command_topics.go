package framework

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/karafgo/karafgo/internal/admin"
	"github.com/karafgo/karafgo/internal/command"
)

func (c *cli) topics() *cobra.Command {
	cmd := &cobra.Command{
		Use: "topics", Short: "List, compare and make the topics of the program", Args: cobra.NoArgs,
	}
	cmd.AddCommand(c.topicsList(), c.topicsPlan(), c.topicsApply())
	return cmd
}

// inCluster runs fn with a client for the topics and groups of the program, until a signal.
func (c *cli) inCluster(fn func(ctx context.Context, s *site, a *admin.Cluster) error) error {
	return c.withAdmin(func(s *site, a *admin.Cluster) error {
		return command.Interruptible(func(ctx context.Context) error { return fn(ctx, s, a) })
	})
}

// withAdmin is inCluster for commands that ask in between.
func (c *cli) withAdmin(fn func(s *site, a *admin.Cluster) error) error {
	s, err := c.open()
	if err != nil {
		return err
	}
	a, err := admin.Open(s.opts...)
	if err != nil {
		return err //nolint:wrapcheck // it says what
	}
	defer a.Close()
	return fn(s, a)
}

func (c *cli) topicsList() *cobra.Command {
	var out command.Format
	cmd := &cobra.Command{
		Use: "list", Short: "Print the topics of the program, and what it does with them", Args: cobra.NoArgs,
		Long: "Print the topics that the program names, and those in the cluster that its\n" +
			"patterns match.",
		RunE: func(*cobra.Command, []string) error {
			return c.inCluster(func(ctx context.Context, s *site, a *admin.Cluster) error {
				topics, err := a.Topics(ctx, s.table)
				if err != nil {
					return err //nolint:wrapcheck // it says what
				}
				return out.Write(c.out, topics, func(w io.Writer) {
					fmt.Fprintln(w, "TOPIC\tPARTITIONS\tREPLICATION\tROLE")
					for _, t := range topics {
						partitions, replication := "missing", "-"
						if t.Exists {
							partitions, replication = strconv.Itoa(t.Partitions), strconv.Itoa(t.Replication)
						}
						fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", t.Name, partitions, replication, role(t))
					}
				})
			})
		},
	}
	out.Flag(cmd)
	return cmd
}

// role says in words what the program does with a topic.
func role(t admin.Topic) string {
	var parts []string
	if t.RetriesOf != "" {
		return fmt.Sprintf("retries of %s in %s", t.RetriesOf, strings.Join(t.ConsumedBy, ", "))
	}
	for _, p := range []struct {
		what  string
		names []string
	}{{"consumed by", t.ConsumedBy}, {"written by", t.WrittenBy}, {"dead letters of", t.DeadLettersOf}} {
		if len(p.names) > 0 {
			parts = append(parts, p.what+" "+strings.Join(p.names, ", "))
		}
	}
	if t.DeadLetters && len(t.DeadLettersOf) == 0 {
		parts = append(parts, "dead letters")
	}
	if len(parts) == 0 {
		return "declared"
	}
	return strings.Join(parts, "; ")
}

func (c *cli) topicsPlan() *cobra.Command {
	var out command.Format
	cmd := &cobra.Command{
		Use: "plan", Short: "Compare the cluster's topics with those that the program wants", Args: cobra.NoArgs,
		Long: "Compare the cluster's topics with those that the program wants: declared\n" +
			"topics as they are declared, retry topics with as many partitions as the topic\n" +
			"that they are for, dead letter topics with that many or more. Nothing is\n" +
			"changed.\n\n" +
			"  create          topics apply makes the topic\n" +
			"  add partitions  topics apply adds them; keys may change their partition\n" +
			"  set config      topics apply sets what is declared, and nothing else\n" +
			"  drift           fewer partitions or another replication: mend it by hand\n" +
			"  missing         does not exist, and nobody declares it: never applied\n\n" +
			"Exit codes: 0 nothing differs, 4 something does, 1 it could not be found out.",
		RunE: func(*cobra.Command, []string) error {
			return c.inCluster(func(ctx context.Context, s *site, a *admin.Cluster) error {
				steps, err := a.Plan(ctx, s.table)
				if err != nil {
					return err //nolint:wrapcheck // it says what
				}
				if err := out.Write(c.out, steps, func(w io.Writer) { writePlan(w, steps) }); err != nil {
					return err
				}
				if len(steps) > 0 {
					return errDiffers
				}
				return nil
			})
		},
	}
	out.Flag(cmd)
	return cmd
}

func writePlan(w io.Writer, steps []admin.Step) {
	if len(steps) == 0 {
		fmt.Fprintln(w, "every topic is as the program wants it")
		return
	}
	fmt.Fprintln(w, "TOPIC\tACTION\tWHAT")
	for _, s := range steps {
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Topic, words(s.Action), s)
	}
	fmt.Fprintf(w, "\n%s to apply, %d left to you\n", command.Count(applicable(steps), "change"), len(steps)-applicable(steps))
}

func words(a admin.Action) string { return strings.ReplaceAll(string(a), "_", " ") }

func applicable(steps []admin.Step) (n int) {
	for _, s := range steps {
		if s.Applies() {
			n++
		}
	}
	return n
}

// outcome is what became of a step.
type outcome struct {
	admin.Step

	// Result is done, failed, or left for what is never applied.
	Result string `json:"result"`
	Error  string `json:"error,omitempty"`
}

func (c *cli) topicsApply() *cobra.Command {
	var out command.Format
	var yes bool
	cmd := &cobra.Command{
		Use: "apply", Short: "Make the topics as the program wants them", Args: cobra.NoArgs,
		Long: "Show what topics plan shows, ask, and carry it out. No topic is deleted and no\n" +
			"partition taken away; drift and missing topics are left alone. A change that\n" +
			"fails does not keep the others from being made.\n\n" +
			"Exit codes: 0 all changes were made, 1 some were not, or nobody confirmed\n" +
			"them.",
		RunE: func(*cobra.Command, []string) error {
			return c.withAdmin(func(s *site, a *admin.Cluster) error {
				var steps []admin.Step
				if err := command.Interruptible(func(ctx context.Context) (err error) {
					steps, err = a.Plan(ctx, s.table)
					return err //nolint:wrapcheck // it says what
				}); err != nil {
					return err
				}
				told := c.beside(out)
				if err := command.PrintTable(told, func(w io.Writer) { writePlan(w, steps) }); err != nil {
					return err
				}
				if n := applicable(steps); n > 0 && !yes {
					if err := c.operator.Confirm(told, fmt.Sprintf("Apply %s?", command.Count(n, "change"))); err != nil {
						return err
					}
				}
				return c.apply(a, steps, &out)
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	out.Flag(cmd)
	return cmd
}

// beside is where a command talks to people: not to standard output, where a program expects the result.
func (c *cli) beside(out command.Format) io.Writer {
	if out == command.Table {
		return c.out
	}
	return c.err
}

func (c *cli) apply(a *admin.Cluster, steps []admin.Step, out *command.Format) error {
	results := []outcome{}
	for _, s := range steps {
		if !s.Applies() {
			results = append(results, outcome{Step: s, Result: "left"})
		}
	}
	err := command.Interruptible(func(ctx context.Context) error {
		return a.Apply(ctx, steps, func(s admin.Step, err error) {
			o := outcome{Step: s, Result: "done"}
			if err != nil {
				o.Result, o.Error = "failed", err.Error()
			}
			results = append(results, o)
			if *out == command.Table {
				_, _ = fmt.Fprintf(c.out, "%s %s: %s\n", words(s.Action), s.Topic, o.Result)
			}
		})
	})
	if *out == command.Table {
		return err
	}
	return errors.Join(out.Write(c.out, results, nil), err)
}
