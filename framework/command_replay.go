package framework

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/karafgo/karafgo/internal/admin"
	"github.com/karafgo/karafgo/internal/command"
)

// replayed is what `dlq replay` prints.
type replayed struct {
	Topic  string `json:"topic"`
	DryRun bool   `json:"dry_run"`
	// Letters are those that were written, or would be.
	Letters []replayedTo `json:"letters"`
	// Passed are letters that were not meant.
	Passed int `json:"passed"`
}

type replayedTo struct {
	Topic   string `json:"topic"`
	Letters int    `json:"letters"`
}

func result(topic string, dry bool, r admin.Replayed) replayed {
	all := replayed{Topic: topic, DryRun: dry, Passed: r.Passed, Letters: []replayedTo{}}
	for _, to := range slices.Sorted(maps.Keys(r.Letters)) {
		all.Letters = append(all.Letters, replayedTo{to, r.Letters[to]})
	}
	return all
}

func (r replayed) total() (n int) {
	for _, l := range r.Letters {
		n += l.Letters
	}
	return n
}

// String is "12 letters: 10 to orders.created, 2 to orders.paid".
func (r replayed) String() string {
	to := make([]string, len(r.Letters))
	for i, l := range r.Letters {
		to[i] = fmt.Sprintf("%d to %s", l.Letters, l.Topic)
	}
	if len(to) == 0 {
		return "no letters"
	}
	return command.Count(r.total(), "letter") + ": " + strings.Join(to, ", ")
}

type replayCommand struct {
	filter

	out    command.Format
	replay admin.Replay
	yes    bool
}

func (c *cli) dlqReplay() *cobra.Command {
	var r replayCommand
	cmd := &cobra.Command{
		Use: "replay [topic]", Short: "Write dead letters to where they came from", Args: cobra.MaximumNArgs(1),
		Long: "Write dead letters to the topics that they came from, or to another: with\n" +
			"their key, value and headers, without those that made them letters, to the\n" +
			"partition that they came from if the topic has it. They stay in the dead\n" +
			"letter topic. Every group that consumes the topic gets them, not only the one\n" +
			"that failed.\n\n" +
			"How far a replay has come is committed in the cluster: the same command with\n" +
			"the same flags goes on from there, and has nothing to do when all is written.\n" +
			"What was in progress at an interruption may be written twice. --again begins\n" +
			"anew.",
		RunE: func(_ *cobra.Command, args []string) error {
			selection, err := r.selection(true)
			if err != nil {
				return err
			}
			r.replay.Selection = selection
			return c.withLetters(args, func(topic string, d *admin.DeadLetters) error { return r.run(c, topic, d) })
		},
	}
	r.flags(cmd, "2026-11-21 or 2026-11-21T06:00:00Z")
	flags := cmd.Flags()
	flags.StringVar(&r.letter, "letter", "", "only this letter, partition@offset as dlq list prints it")
	flags.StringVar(&r.replay.To, "to", "", "write them to this topic (default that of each letter)")
	flags.BoolVar(&r.replay.DryRun, "dry-run", false, "count what would be written, and write nothing")
	flags.BoolVar(&r.replay.Again, "again", false, "begin with the first letter, also where an earlier replay of the same has come further")
	flags.BoolVar(&r.yes, "yes", false, "do not ask")
	r.out.Flag(cmd)
	cmd.ValidArgsFunction = command.First(c.drawn(admin.DeadLetterTopics))
	return cmd
}

func (r *replayCommand) run(c *cli, topic string, d *admin.DeadLetters) error {
	replay := func(how admin.Replay) (done replayed, err error) {
		err = command.Interruptible(func(ctx context.Context) error {
			out, err := d.Replay(ctx, topic, how)
			done = result(topic, how.DryRun, out)
			return err //nolint:wrapcheck // it says what
		})
		return done, err
	}
	dry := r.replay
	dry.DryRun = true
	meant, err := replay(dry)
	if err != nil {
		return err
	}
	told := c.beside(r.out)
	if r.replay.DryRun || meant.total() == 0 {
		meant.DryRun = r.replay.DryRun
		if meant.total() == 0 && !r.replay.Again {
			_, _ = fmt.Fprintf(c.err, "nothing to replay: no letter is meant, or an earlier replay of the same wrote them "+
				"(--again begins anew)\n")
		}
		return r.report(c, meant)
	}
	if !r.yes {
		if err := c.operator.Confirm(told, fmt.Sprintf("Replay %s?", meant)); err != nil {
			return err
		}
	}
	last := time.Now()
	r.replay.Each = func(done admin.Replayed) {
		if time.Since(last) > time.Second {
			last = time.Now()
			_, _ = fmt.Fprintf(c.err, "%d of %s replayed\n", result(topic, false, done).total(), command.Count(meant.total(), "letter"))
		}
	}
	done, err := replay(r.replay)
	if err != nil {
		_, _ = fmt.Fprintf(c.err, "%d of %s replayed: the same command goes on from there\n",
			done.total(), command.Count(meant.total(), "letter"))
		return err
	}
	return r.report(c, done)
}

func (r *replayCommand) report(c *cli, what replayed) error {
	return r.out.Write(c.out, what, func(w io.Writer) {
		if what.DryRun {
			fmt.Fprintf(w, "would replay %s\n", what)
		} else {
			fmt.Fprintf(w, "replayed %s\n", what)
		}
	})
}
