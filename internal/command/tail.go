package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/admin"
	"github.com/karafgo/karafgo/internal/lines"
)

type tailCommand struct {
	reading admin.Reading
	from    string
	limit   int
	limited bool
	key     string
	keyed   bool
	grep    string
	headers []string
	out     Format

	pattern *regexp.Regexp
}

func (c *Console) tail() *cobra.Command {
	var t tailCommand
	const limitDefault = 10
	cmd := &cobra.Command{
		Use: "tail topic", Short: "Print records of a topic", Args: cobra.ExactArgs(1),
		Long: "Print records of a topic: the last 10, the last --limit, or those --from\n" +
			"somewhere on, and with --follow what is written later, until Ctrl-C. No group\n" +
			"is joined, and nothing is committed. The filters come before the limit: -n 10\n" +
			"--grep refund prints the last 10 with refund in them, however far back.\n\n" +
			"A line has partition@offset, the time, key, value and headers. On a terminal it\n" +
			"is cut where the screen ends; +2 stands for two headers that do not fit. -o\n" +
			"json has all of it, a record a line, as produce reads it, and -o yaml a document\n" +
			"for each. Records are those of committed transactions, if not --uncommitted.\n\n" +
			"Exit codes: 0 printed, also when there was nothing or Ctrl-C was the end; 1 it\n" +
			"could not be read.",
		RunE: func(cmd *cobra.Command, args []string) error {
			t.reading.Topic = args[0]
			t.limited, t.keyed = cmd.Flags().Changed("limit"), cmd.Flags().Changed("key")
			if err := t.read(); err != nil {
				return err
			}
			return t.run(c)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&t.reading.Follow, "follow", "f", false, "go on with what is written later, until Ctrl-C")
	flags.IntVarP(&t.limit, "limit", "n", limitDefault, "print the last so many; with --from the first so many")
	flags.StringVar(&t.from, "from", "", "begin at "+admin.PositionForms)
	flags.Int32SliceVarP(&t.reading.Partitions, "partition", "p", nil, "only this partition (may be repeated)")
	flags.StringVarP(&t.key, "key", "k", "", "only records with this key")
	flags.StringVarP(&t.grep, "grep", "g", "", "only records whose key or value has a match of this regular expression")
	flags.StringArrayVarP(&t.headers, "header", "H", nil, "only records with this header, name or name=value (may be repeated)")
	flags.BoolVar(&t.reading.Uncommitted, "uncommitted", false, "also what open and aborted transactions wrote")
	t.out.Flag(cmd)
	cmd.ValidArgsFunction = c.Topics()
	Complete(cmd, map[string]Completion{"from": Words(positions)})
	return cmd
}

// read finds mistakes before anything is connected.
func (t *tailCommand) read() error {
	var errs []error
	var err error
	if t.from != "" {
		if t.reading.From, err = admin.ParsePosition(t.from, time.Now()); err != nil {
			errs = append(errs, fmt.Errorf("--from %w", err))
		}
	}
	if t.pattern, err = regexp.Compile(t.grep); err != nil {
		errs = append(errs, fmt.Errorf("--grep %s: %w", t.grep, err))
	}
	if t.limit < 0 {
		errs = append(errs, fmt.Errorf("--limit %d: want 0 or more", t.limit))
	}
	for _, p := range t.reading.Partitions {
		if p < 0 {
			errs = append(errs, fmt.Errorf("--partition %d: want 0 or more", p))
		}
	}
	t.reading.Last = t.limit
	if t.keyed || t.grep != "" || len(t.headers) > 0 {
		t.reading.Match = t.match
	}
	return errors.Join(errs...)
}

func (t *tailCommand) match(r *kgo.Record) bool {
	if t.keyed && (r.Key == nil || string(r.Key) != t.key) {
		return false
	}
	if t.grep != "" && !t.pattern.Match(r.Key) && !t.pattern.Match(r.Value) {
		return false
	}
	for _, want := range t.headers {
		name, value, valued := strings.Cut(want, "=")
		if !slices.ContainsFunc(r.Headers, func(h kgo.RecordHeader) bool {
			return h.Key == name && (!valued || h.Value != nil && string(h.Value) == value)
		}) {
			return false
		}
	}
	return true
}

func (t *tailCommand) run(c *Console) error {
	_, a, err := c.open()
	if err != nil {
		return err
	}
	defer a.Close()
	var out bytes.Buffer
	printed := 0
	looked := newProgress(c.Err, "record", "looked at")
	t.reading.Looked = func(n int) {
		if printed == 0 { // else it can be seen
			looked.add(n)
		}
	}
	show := recordLine{columns: c.Operator.Columns, colours: c.Operator.Colours}
	err = Interruptible(func(ctx context.Context) error {
		err := a.Read(ctx, t.reading, func(r *kgo.Record) (bool, error) {
			if t.limited && t.from != "" && printed == t.limit {
				return false, nil
			}
			printed++
			out.Reset()
			if err := t.write(&out, &show, r); err != nil {
				return false, err
			}
			_, err := c.Out.Write(out.Bytes())
			return !t.limited || t.from == "" || printed < t.limit, err
		})
		if err != nil && ctx.Err() != nil {
			return nil //nolint:nilerr // Ctrl-C is how it ends
		}
		return unknown(ctx, err, a, t.reading.Topic)
	})
	if err == nil && printed == 0 && !t.reading.Follow {
		_, _ = fmt.Fprintln(c.Err, "no records") // nobody to tell
	}
	return err
}

func (t *tailCommand) write(out *bytes.Buffer, show *recordLine, r *kgo.Record) error {
	switch t.out {
	case JSON:
		_, _ = out.Write(lines.Append(nil, r)) // memory
		return nil
	case YAML:
		text, err := toYAML(lines.Append(nil, r))
		if err != nil {
			return fmt.Errorf("print as yaml: %w", err)
		}
		out.WriteString("---\n")
		out.Write(text)
		return nil
	default:
		show.write(out, r)
		return nil
	}
}

// recordLine prints a record in a line. Columns grow with what comes: nobody knows what will.
type recordLine struct {
	columns    int
	colours    bool
	place, key int // widths
}

const (
	leastPlace = 6
	leastKey   = 8
	mostKey    = 24
)

func (l *recordLine) write(w io.Writer, r *kgo.Record) {
	place := fmt.Sprintf("%d@%d", r.Partition, r.Offset)
	key, value := "-", "(tombstone)"
	if r.Key != nil {
		key = orQuotes(Printable(string(r.Key)))
	}
	if r.Value != nil {
		value = orQuotes(Printable(string(r.Value)))
	}
	headers := make([]string, len(r.Headers))
	for i, h := range r.Headers {
		headers[i] = Printable(h.Key) + "="
		if h.Value != nil {
			headers[i] += orQuotes(Printable(string(h.Value)))
		}
	}
	when := "-"
	if !r.Timestamp.IsZero() && r.Timestamp.UnixMilli() != -1 {
		when = r.Timestamp.UTC().Format(time.RFC3339)
	}
	more := strings.Join(headers, " ")
	if l.columns > 0 {
		key = Cut(key, mostKey)
	}
	l.place = max(l.place, len(place), leastPlace)
	l.key = max(l.key, min(len([]rune(key)), mostKey), leastKey)
	if l.columns > 0 {
		const between = 3 * 2 // two spaces after place, time and key
		room := max(l.columns-l.place-len("2006-01-02T15:04:05Z")-max(l.key, len([]rune(key)))-between, leastValue)
		if more != "" {
			if len([]rune(value))+2+len([]rune(more)) > room {
				more = fmt.Sprintf("+%d", len(headers))
			}
			room -= 2 + len([]rune(more))
		}
		value = Cut(value, room)
	}
	if more != "" {
		more = "  " + l.dim(more)
	}
	_, _ = fmt.Fprintf(w, "%s  %s  %s  %s%s\n", l.dim(pad(place, l.place)), l.dim(when), pad(key, l.key), value, more) // memory
}

// leastValue is shown of a value on a screen that is too narrow.
const leastValue = 20

func orQuotes(text string) string {
	if text == "" {
		return `""`
	}
	return text
}

func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(width-len([]rune(text)), 0))
}

func (l *recordLine) dim(text string) string {
	if !l.colours {
		return text
	}
	return "\x1b[2m" + text + "\x1b[0m"
}
