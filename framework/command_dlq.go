package framework

import (
	"cmp"
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
	"github.com/karafgo/karafgo/internal/command"
)

func (c *cli) dlq() *cobra.Command {
	cmd := &cobra.Command{
		Use: "dlq", Short: "List, show and replay dead letters", Args: cobra.NoArgs,
		Long: "List, show and replay dead letters. Without a topic they are those of the\n" +
			"program's dead letter topic, if it has one only.",
	}
	cmd.AddCommand(c.dlqList(), c.dlqShow(), c.dlqReplay())
	return cmd
}

// withLetters runs fn with a client for the dead letters of a topic: the one that is named, or the only one that the program has.
func (c *cli) withLetters(named []string, fn func(topic string, d *admin.DeadLetters) error) error {
	s, err := c.open()
	if err != nil {
		return err
	}
	have := admin.DeadLetterTopics(s.table)
	names := strings.Join(have, ", ")
	switch {
	case len(named) == 0 && len(have) == 0:
		return errors.New("the program draws no dead letter topic: name a topic")
	case len(named) == 0 && len(have) > 1:
		return fmt.Errorf("the program has several dead letter topics, name one: %s", names)
	case len(named) == 0:
		named = have
	}
	d, err := admin.OpenDeadLetters(s.opts...)
	if err != nil {
		return err //nolint:wrapcheck // it says what
	}
	defer d.Close()
	err = fn(named[0], d)
	if errors.Is(err, admin.ErrNoTopic) {
		return fmt.Errorf("%w; dead letter topics of the program: %s", err, cmp.Or(names, "none"))
	}
	return err
}

// filter are the flags that say which letters are meant.
type filter struct {
	admin.Selection

	since, until, letter string
}

// flags adds the flags; times says in which forms a time is taken.
func (f *filter) flags(cmd *cobra.Command, times string) {
	flags := cmd.Flags()
	flags.StringVar(&f.Topic, "source", "", "only letters of this topic")
	flags.StringVar(&f.Group, "group", "", "only letters of this consumer group")
	flags.StringVar(&f.Error, "error", "", "only letters whose error has this text in it")
	flags.StringVar(&f.ErrorType, "error-type", "", "only letters whose error has this type of Go, such as '*net.OpError'")
	flags.StringVar(&f.since, "since", "", "only letters written since then: "+times)
	flags.StringVar(&f.until, "until", "", "only letters written before then")
}

// selection reads times and places. With fixed, times must not move with the clock.
func (f *filter) selection(fixed bool) (admin.Selection, error) {
	var errs []error
	at := func(flag, text string) (t time.Time) {
		if text == "" {
			return t
		}
		for _, layout := range []string{time.RFC3339, time.DateOnly} {
			if t, err := time.Parse(layout, text); err == nil {
				return t.UTC()
			}
		}
		ago, err := time.ParseDuration(text)
		if err != nil || ago < 0 {
			errs = append(errs, fmt.Errorf("%s %s: want 2026-11-21, 2026-11-21T06:00:00Z, or 2h for two hours ago", flag, text))
			return t
		}
		t = time.Now().Add(-ago).UTC().Truncate(time.Second)
		if fixed {
			errs = append(errs, fmt.Errorf("%s %s: name the time, so that the same command goes on after an interruption: %s %s",
				flag, text, flag, t.Format(time.RFC3339)))
		}
		return t
	}
	s := f.Selection
	s.Since, s.Until = at("--since", f.since), at("--until", f.until)
	if f.letter != "" {
		var err error
		if s.Partition, s.Offset, err = place(f.letter); err != nil {
			errs = append(errs, fmt.Errorf("--letter %w", err))
		}
		s.One = true
	}
	return s, errors.Join(errs...)
}

// place reads "0@17".
func place(text string) (partition int32, offset int64, err error) {
	p, o, ok := strings.Cut(text, "@")
	n, perr := strconv.ParseInt(p, 10, 32)
	offset, oerr := strconv.ParseInt(o, 10, 64)
	if !ok || perr != nil || oerr != nil || n < 0 || offset < 0 {
		return 0, 0, fmt.Errorf("%s: want partition@offset as dlq list prints it, such as 0@17", text)
	}
	return int32(n), offset, nil
}

func (c *cli) dlqList() *cobra.Command {
	var out command.Format
	var f filter
	var limit int
	const limitDefault = 100
	cmd := &cobra.Command{
		Use: "list [topic]", Short: "Print the letters of a dead letter topic", Args: cobra.MaximumNArgs(1),
		Long: "Print the letters of a dead letter topic: partition@offset in it, when it was\n" +
			"written, and what failed where. It begins with the oldest of each partition.",
		RunE: func(_ *cobra.Command, args []string) error {
			selection, err := f.selection(false)
			if limit < 0 {
				err = errors.Join(err, fmt.Errorf("--limit %d: want 0 for all, or more", limit))
			}
			if err != nil {
				return err
			}
			return c.withLetters(args, func(topic string, d *admin.DeadLetters) error {
				letters := []letter{}
				more := false
				err := command.Interruptible(func(ctx context.Context) error {
					return d.List(ctx, topic, selection, func(l admin.Letter) bool {
						if more = limit > 0 && len(letters) == limit; more {
							return false
						}
						letters = append(letters, letterOf(l))
						return true
					})
				})
				if err != nil {
					return err //nolint:wrapcheck // it says what
				}
				slices.SortFunc(letters, func(a, b letter) int {
					return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
				})
				if err := out.Write(c.out, letters, func(w io.Writer) { writeLetters(w, letters, c.operator.Columns) }); err != nil {
					return err
				}
				if more {
					_, _ = fmt.Fprintf(c.err, "there are more: --limit 0 prints all\n")
				}
				return nil
			})
		},
	}
	f.flags(cmd, "2026-11-21, 2026-11-21T06:00:00Z, or 2h for two hours ago")
	cmd.Flags().IntVar(&limit, "limit", limitDefault, "print at most so many, 0 for all")
	out.Flag(cmd)
	cmd.ValidArgsFunction = command.First(c.drawn(admin.DeadLetterTopics))
	return cmd
}

func (c *cli) dlqShow() *cobra.Command {
	var out command.Format
	cmd := &cobra.Command{
		Use: "show [topic] partition@offset", Short: "Print one letter with its key, value and headers",
		Args: cobra.RangeArgs(1, 2), //nolint:mnd // with and without topic
		Long: "Print one letter with its key, value and headers. What is not text is shown as\n" +
			"Go would write it, and is base64 in JSON and YAML.",
		RunE: func(_ *cobra.Command, args []string) error {
			last := len(args) - 1
			partition, offset, err := place(args[last])
			if err != nil {
				return err
			}
			return c.withLetters(args[:last], func(topic string, d *admin.DeadLetters) error {
				var found *openLetter
				err := command.Interruptible(func(ctx context.Context) error {
					one := admin.Selection{One: true, Partition: partition, Offset: offset}
					return d.List(ctx, topic, one, func(l admin.Letter) bool {
						found = openLetterOf(l)
						return false
					})
				})
				switch {
				case err != nil:
					return err
				case found == nil:
					return fmt.Errorf("topic %q has no record at %d@%d: dlq list prints those that there are", topic, partition, offset)
				}
				return out.Write(c.out, found, func(w io.Writer) { writeLetter(w, found) })
			})
		},
	}
	out.Flag(cmd)
	cmd.ValidArgsFunction = command.First(c.drawn(admin.DeadLetterTopics))
	return cmd
}
