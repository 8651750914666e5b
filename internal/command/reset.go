package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/karafgo/karafgo/internal/admin"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/router"
)

type resetCommand struct {
	reset  admin.Reset
	to     string
	by     int64
	dryRun bool
	yes    bool
	out    Format
}

// moved is what became of a partition.
type moved struct {
	admin.Move

	// Result is planned, done or failed.
	Result string `json:"result"`
	Error  string `json:"error,omitempty"`
}

func (c *Console) reset() *cobra.Command {
	var r resetCommand
	cmd := &cobra.Command{
		Use: "reset group", Short: "Let a group begin again elsewhere", Args: cobra.ExactArgs(1),
		Long: "Set what a group has committed, so that its members begin there when they start.\n" +
			"The plan is shown first, partition by partition, and nothing is done before it\n" +
			"is confirmed. A group that has members is refused: stop them first.\n\n" +
			"--to is one of\n" +
			"  earliest                  the first record that there is\n" +
			"  latest                    the end, which skips all that is there\n" +
			"  4711                      an offset\n" +
			"  2026-11-21T06:00:00Z      the first record then or later; also 2026-11-21\n" +
			"  2h                        the first record of the last two hours\n" +
			"--by goes back (-100) or forth (100) from what is committed. Where there is no\n" +
			"such offset, it is the nearest that there is.\n\n" +
			"Without --topic all topics are meant that the group has committed; in a program\n" +
			"those that its routes consume, without retry topics.\n\n" +
			"Exit codes: 0 done, or nothing to do; 1 it was not done, not confirmed, or the\n" +
			"group has members.",
		RunE: func(_ *cobra.Command, args []string) error {
			r.reset.Group = args[0]
			if err := r.read(); err != nil {
				return err
			}
			return r.run(c)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&r.to, "to", "", "where to begin: earliest, latest, an offset, a time, or 2h for two hours ago")
	flags.Int64Var(&r.by, "by", 0, "how far from what is committed, such as -100")
	flags.StringSliceVar(&r.reset.Topics, "topic", nil, "only this topic (may be repeated)")
	flags.Int32SliceVar(&r.reset.Partitions, "partition", nil, "only this partition of the topic (may be repeated)")
	flags.BoolVar(&r.dryRun, "dry-run", false, "show the plan, and do nothing")
	flags.BoolVar(&r.yes, "yes", false, "do not ask")
	r.out.Flag(cmd)
	cmd.ValidArgsFunction = c.Groups()
	Complete(cmd, map[string]Completion{"to": Words(positions), "topic": c.live((*admin.Cluster).TopicNames)})
	return cmd
}

// read finds mistakes before anything is connected.
func (r *resetCommand) read() (err error) {
	switch {
	case r.to == "" && r.by == 0:
		err = errors.New("say where to begin: --to earliest, latest, an offset, a time or 2h; or --by -100")
	case r.to != "" && r.by != 0:
		err = errors.New("--to and --by are both given: leave one out")
	case r.to != "":
		if r.reset.To, err = admin.ParsePosition(r.to, time.Now()); err != nil {
			err = fmt.Errorf("--to %w", err)
		}
	}
	r.reset.By = r.by
	for _, p := range r.reset.Partitions {
		if p < 0 {
			err = errors.Join(err, fmt.Errorf("--partition %d: want 0 or more", p))
		}
	}
	return err
}

func (r *resetCommand) run(c *Console) error {
	s, a, err := c.open()
	if err != nil {
		return err
	}
	defer a.Close()
	left, err := r.topics(s)
	if err != nil {
		return err
	}
	var moves []admin.Move
	if err := s.ask(func(ctx context.Context) (err error) {
		moves, err = a.PlanReset(ctx, r.reset)
		return r.explain(ctx, err, a)
	}); err != nil {
		return err
	}
	told := c.beside(r.out)
	if r.out == Table {
		if err := PrintTable(told, func(w io.Writer) { writeMoves(w, moves) }); err != nil {
			return err
		}
		if len(left) > 0 {
			_, _ = fmt.Fprintf(told, "retry topics are left as they are: %s (--topic names one)\n", strings.Join(left, ", "))
		}
	}
	if r.dryRun || len(moves) == 0 {
		return r.report(c, moves, nil)
	}
	if !r.yes {
		if r.out != Table {
			_, _ = fmt.Fprintln(told, summary(moves)) // a question needs its plan
		}
		if err := c.Operator.Confirm(told, fmt.Sprintf("Reset group %s?", Printable(r.reset.Group))); err != nil {
			return err
		}
	}
	results := []moved{}
	err = s.ask(func(ctx context.Context) error {
		return a.Reset(ctx, r.reset.Group, moves, func(m admin.Move, err error) {
			one := moved{Move: m, Result: "done"}
			if err != nil {
				one.Result, one.Error = "failed", err.Error()
			}
			results = append(results, one)
		})
	})
	return errors.Join(r.report(c, moves, results), err)
}

// topics says which topics are meant: those of the flags, those that the program's routes of the group consume, or what the group has
// committed. It returns the retry topics that it leaves.
func (r *resetCommand) topics(s *Site) (left []string, err error) {
	group, drawn := r.group(s.Routes)
	r.reset.New = drawn
	if len(r.reset.Topics) == 0 && !drawn {
		r.reset.Committed = func(string) bool { return true }
		return nil, nil
	}
	var topics []string
	var patterns []router.RouteSpec
	for _, route := range group.Routes {
		meant := len(r.reset.Topics) == 0 || slices.ContainsFunc(r.reset.Topics, route.Matches)
		switch {
		case route.Offsets == offsets.External && meant:
			return nil, fmt.Errorf("group %q keeps its offsets of %s in a store of the program (ExternalOffsets), "+
				"which this cannot reset: change them there, or name other topics with --topic", r.reset.Group, route.Topic)
		case route.RetryOf != "":
			left = append(left, route.Topic)
		case route.Pattern != nil:
			patterns = append(patterns, route)
		default:
			topics = append(topics, route.Topic)
		}
	}
	if len(r.reset.Topics) > 0 {
		return nil, nil
	}
	r.reset.Topics = topics
	r.reset.Committed = func(topic string) bool {
		return slices.ContainsFunc(patterns, func(p router.RouteSpec) bool { return p.Matches(topic) })
	}
	return left, nil
}

// group is what the program draws of the group.
func (r *resetCommand) group(routes *router.Table) (router.GroupSpec, bool) {
	if routes != nil {
		for _, g := range routes.Groups() {
			if g.ID == r.reset.Group {
				return g, true
			}
		}
	}
	return router.GroupSpec{}, false
}

// explain adds the flag that helps, and names that may have been meant.
func (r *resetCommand) explain(ctx context.Context, err error, a *admin.Cluster) error {
	switch {
	case errors.Is(err, admin.ErrNothingCommitted):
		return fmt.Errorf("%w with --topic", err)
	case errors.Is(err, admin.ErrNoTopic) && len(r.reset.Topics) == 1:
		return unknown(ctx, err, a, r.reset.Topics[0])
	}
	return unknown(ctx, err, a, r.reset.Group)
}

func writeMoves(w io.Writer, moves []admin.Move) {
	if len(moves) == 0 {
		fmt.Fprintln(w, "nothing to reset: --by needs committed offsets")
		return
	}
	fmt.Fprintln(w, "TOPIC\tPARTITION\tCOMMITTED\tNEW\tEFFECT")
	for _, m := range moves {
		committed := "-"
		if m.Committed != nil {
			committed = strconv.FormatInt(*m.Committed, 10)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%s\n", m.Topic, m.Partition, committed, m.New, effect(m))
	}
	fmt.Fprintf(w, "\n%s\n", summary(moves))
}

// effect says in words what a move does.
func effect(m admin.Move) string {
	var parts []string
	switch {
	case m.Again() > 0:
		parts = append(parts, fmt.Sprintf("%d again", m.Again()))
	case m.Skipped() > 0:
		parts = append(parts, fmt.Sprintf("%d skipped", m.Skipped()))
	case m.Committed == nil:
		parts = append(parts, "first commit")
	case m.Ahead:
		parts = append(parts, "what was done ahead comes again")
	case *m.Committed == m.New:
		parts = append(parts, "as it is")
	default:
		parts = append(parts, "nothing is there in between")
	}
	if m.Wanted != nil {
		parts = append(parts, fmt.Sprintf("there is no %d", *m.Wanted))
	}
	return strings.Join(parts, "; ")
}

func summary(moves []admin.Move) string {
	var again, skipped int64
	for _, m := range moves {
		again, skipped = again+m.Again(), skipped+m.Skipped()
	}
	return fmt.Sprintf("%s: %s again, %d skipped", Count(len(moves), "partition"), Count(again, "offset"), skipped)
}

func (r *resetCommand) report(c *Console, moves []admin.Move, results []moved) error {
	if r.out != Table {
		if results == nil {
			results = []moved{}
			for _, m := range moves {
				results = append(results, moved{Move: m, Result: "planned"})
			}
		}
		return r.out.Write(c.Out, results, nil)
	}
	done := 0
	for _, m := range results {
		if m.Error == "" {
			done++
		}
	}
	if results == nil {
		return nil
	}
	_, err := fmt.Fprintf(c.Out, "reset %s of group %s\n", Count(done, "partition"), Printable(r.reset.Group))
	return err //nolint:wrapcheck // standard output
}
