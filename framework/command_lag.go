package framework

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/karafgo/karafgo/internal/admin"
	"github.com/karafgo/karafgo/internal/command"
	"github.com/karafgo/karafgo/internal/config"
)

// watchEvery is how often `lag --watch` looks.
const watchEvery = 2 * time.Second

// topicLag is how far a group is behind in a topic.
type topicLag struct {
	Group      string `json:"group"`
	Topic      string `json:"topic"`
	Partitions int    `json:"partitions"`
	// Behind is how many partitions have a lag, MaxLag the largest of them.
	Behind int   `json:"behind"`
	Lag    int64 `json:"lag"`
	MaxLag int64 `json:"max_lag"`
}

type lagCommand struct {
	out        command.Format
	partitions bool
	watch      bool
}

func (c *cli) lag() *cobra.Command {
	var l lagCommand
	cmd := &cobra.Command{
		Use: "lag", Short: "Print how far the groups of the program are behind", Args: cobra.NoArgs,
		Long: "Print how far the groups of the program are behind: how many offsets lie\n" +
			"between what they have committed and the end of the log. What retention has\n" +
			"deleted does not count; where nothing is committed, all that is there does.\n\n" +
			"With --watch it is read every 2 s until Ctrl-C: drawn anew on a terminal, else\n" +
			"one table after the other. With -o json every reading is one line then, with\n" +
			"-o yaml one document.",
		RunE: func(*cobra.Command, []string) error {
			return c.inCluster(func(ctx context.Context, s *site, a *admin.Cluster) error {
				if l.watch {
					return l.follow(ctx, c, s, a)
				}
				reading, cancel := context.WithTimeout(ctx, s.cfg.Kafka.BootTimeout)
				defer cancel()
				text, err := l.read(reading, s, a)
				if _, werr := c.out.Write(text); werr != nil {
					return werr //nolint:wrapcheck // standard output
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&l.partitions, "partitions", false, "one line for each partition")
	cmd.Flags().BoolVarP(&l.watch, "watch", "w", false, "read it every 2 s until Ctrl-C")
	l.out.Flag(cmd)
	return cmd
}

// read returns what is to be printed, and beside it what could not be read.
func (l *lagCommand) read(ctx context.Context, s *site, a *admin.Cluster) ([]byte, error) {
	lags, err := a.Lag(ctx, s.table, func(group string) bool {
		return s.cfg.ForGroup(group).Fetch.Isolation == config.ReadCommitted
	})
	if err != nil && lags == nil {
		return nil, err //nolint:wrapcheck // it says what
	}
	var text bytes.Buffer
	var data any = lags
	people := func(w io.Writer) { writeLags(w, lags) }
	if !l.partitions {
		topics := sum(lags)
		data, people = topics, func(w io.Writer) { writeTopicLags(w, topics) }
	}
	if l.watch && l.out == command.JSON {
		return line(data, err)
	}
	if l.watch && l.out == command.YAML {
		text.WriteString("---\n")
	}
	if perr := l.out.Write(&text, data, people); perr != nil {
		return nil, perr
	}
	return text.Bytes(), err //nolint:wrapcheck // it says what
}

func line(data any, beside error) ([]byte, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return nil, fmt.Errorf("print as json: %w", err)
	}
	return append(text, '\n'), beside
}

// follow reads until ctx ends. What cannot be read now is told, and tried again.
func (l *lagCommand) follow(ctx context.Context, c *cli, s *site, a *admin.Cluster) error {
	for first := true; ; first = false {
		reading, cancel := context.WithTimeout(ctx, s.cfg.Kafka.BootTimeout)
		text, err := l.read(reading, s, a)
		cancel()
		if err != nil && text == nil && ctx.Err() == nil {
			if unreachable := s.cluster.Reach(ctx); unreachable != nil {
				err = unreachable // it names the brokers
			}
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // Ctrl-C is how it ends
		}
		var frame bytes.Buffer
		if l.out == command.Table {
			switch {
			case c.operator.Columns > 0:
				frame.WriteString("\x1b[H\x1b[2J") // from the top of an empty screen
			case !first:
				frame.WriteString("\n")
			}
			fmt.Fprintf(&frame, "%s, every %s until Ctrl-C\n\n", time.Now().Format(time.DateTime), watchEvery)
		}
		frame.Write(text)
		if _, werr := c.out.Write(frame.Bytes()); werr != nil {
			return werr //nolint:wrapcheck // standard output
		}
		if err != nil {
			_, _ = fmt.Fprintln(c.err, "error:", command.Explain(err)) // nobody to tell
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchEvery):
		}
	}
}

// sum adds up partitions, which are in order of group and topic.
func sum(lags []admin.Lag) []topicLag {
	sums := []topicLag{}
	for _, l := range lags {
		if n := len(sums); n == 0 || sums[n-1].Group != l.Group || sums[n-1].Topic != l.Topic {
			sums = append(sums, topicLag{Group: l.Group, Topic: l.Topic})
		}
		s := &sums[len(sums)-1]
		s.Partitions++
		s.Lag += l.Lag
		s.MaxLag = max(s.MaxLag, l.Lag)
		if l.Lag > 0 {
			s.Behind++
		}
	}
	return sums
}

func writeTopicLags(w io.Writer, lags []topicLag) {
	fmt.Fprintln(w, "GROUP\tTOPIC\tLAG\tMAX LAG\tBEHIND")
	for _, l := range lags {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d of %d\n", l.Group, l.Topic, l.Lag, l.MaxLag, l.Behind, l.Partitions)
	}
}

func writeLags(w io.Writer, lags []admin.Lag) {
	fmt.Fprintln(w, "GROUP\tTOPIC\tPARTITION\tCOMMITTED\tEND\tLAG")
	for _, l := range lags {
		committed := "-"
		if l.Committed != nil {
			committed = strconv.FormatInt(*l.Committed, 10)
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%d\n", l.Group, l.Topic, l.Partition, committed, l.End, l.Lag)
	}
}
