package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/admin"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/internal/lines"
)

type produceCommand struct {
	topic     string
	value     *string // nil where records are read
	key       string
	keyed     bool
	headers   []string
	partition int32
	numbered  bool
	null      bool
	file      string
	raw       bool
	create    bool
	out       Format

	more  []kgo.RecordHeader // of the flags
	parts int                // of the topic
}

func (c *Console) produce() *cobra.Command {
	var p produceCommand
	cmd := &cobra.Command{
		Use: "produce topic [value]", Short: "Write records to a topic", Args: cobra.RangeArgs(1, 2), //nolint:mnd // with and without value
		Long: "Write records to a topic: the value given, or those of a file or of standard\n" +
			"input, a line of JSON each, as tail -o json prints them:\n\n" +
			"  {\"key\":\"o-1\",\"value\":{\"id\":1},\"headers\":{\"trace\":\"abc\"}}\n\n" +
			"A text is what is written; other JSON stands for its own text. A null value is\n" +
			"a tombstone. Bytes that are no UTF-8 stand in key_base64 and value_base64.\n" +
			"partition and timestamp count where a line has them, topic and offset do not.\n" +
			"With --raw every line is a value.\n\n" +
			"A file is read through before anything is written: mistakes are told all at\n" +
			"once, and nothing is written. Standard input is written as it comes, up to the\n" +
			"first mistake.\n\n" +
			"Keys go to partitions by producer.partitioner, all replicas in sync acknowledge\n" +
			"(acks=all), and a topic that does not exist is not made without --create.\n\n" +
			"Exit codes: 0 all records were written, 1 some were not: it says which.",
		RunE: func(cmd *cobra.Command, args []string) error {
			p.topic = args[0]
			if len(args) > 1 {
				p.value = &args[1]
			}
			p.keyed, p.numbered = cmd.Flags().Changed("key"), cmd.Flags().Changed("partition")
			if err := p.read(); err != nil {
				return err
			}
			return p.run(c)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&p.key, "key", "k", "", "key of the record, or with --raw of every record (default null)")
	flags.StringArrayVarP(&p.headers, "header", "H", nil, "header name=value, added to every record (may be repeated)")
	flags.Int32VarP(&p.partition, "partition", "p", 0, "write to this partition; -1 for that of the key, whatever a line says")
	flags.BoolVar(&p.null, "null", false, "write a tombstone: a record whose value is null")
	flags.StringVarP(&p.file, "file", "f", "", "read records from this file")
	flags.BoolVar(&p.raw, "raw", false, "every line that is read is a value, as it is")
	flags.BoolVar(&p.create, "create", false, "make a topic that does not exist: as the program declares it, or by the cluster's defaults")
	p.out.Flag(cmd)
	cmd.ValidArgsFunction = c.Topics()
	return cmd
}

// read finds mistakes before anything is connected.
func (p *produceCommand) read() error {
	var errs []error
	for _, h := range p.headers {
		name, value, ok := strings.Cut(h, "=")
		if !ok || name == "" {
			errs = append(errs, fmt.Errorf("--header %s: want name=value", h))
		}
		p.more = append(p.more, kgo.RecordHeader{Key: name, Value: []byte(value)})
	}
	if p.numbered && p.partition < lines.AnyPartition {
		errs = append(errs, fmt.Errorf("--partition %d: want 0 or more, or -1 for that of the key", p.partition))
	}
	one := p.value != nil || p.null
	for _, both := range []struct {
		is   bool
		what string
	}{
		{p.value != nil && p.null, "a value and --null are both given: leave one out"},
		{one && p.file != "", "--file has the values: leave out the other"},
		{one && p.raw, "--raw is about lines that are read: leave it out"},
		{!one && !p.raw && p.keyed, `--key is for one record, or for --raw: a line of JSON has its own, {"key":"o-1","value":"text"}`},
	} {
		if both.is {
			errs = append(errs, errors.New(both.what))
		}
	}
	return errors.Join(errs...)
}

func (p *produceCommand) run(c *Console) error {
	in, err := p.input(c)
	if err != nil {
		return err
	}
	defer in.close()
	s, a, err := c.open(kgo.RecordDeliveryTimeout(0)) // it counts from the time that a record has, which may be long ago
	if err != nil {
		return err
	}
	defer a.Close()
	missing := false
	if err := s.ask(func(ctx context.Context) (err error) {
		p.parts, err = a.Partitions(ctx, p.topic)
		if missing = errors.Is(err, admin.ErrNoTopic) && p.create; missing {
			p.parts = math.MaxInt
			return nil
		}
		if err = unknown(ctx, err, a, p.topic); errors.Is(err, admin.ErrNoTopic) {
			err = fmt.Errorf("%w (--create makes it)", err)
		}
		return err
	}); err != nil {
		return err
	}
	if err := in.check(p); err != nil {
		return err
	}
	if missing {
		if err := s.ask(func(ctx context.Context) error { return p.make(ctx, s, a) }); err != nil {
			return err
		}
	}
	if p.numbered && int(p.partition) >= p.parts {
		return fmt.Errorf("--partition %d: %w", p.partition, p.noPartition())
	}
	w := newWriting(c, a, p.topic, s.Config.Producer.DeliveryTimeout)
	err = WithSignals(func(ctx, forced context.Context) error { return w.all(ctx, forced, p, in) })
	return errors.Join(w.report(c, &p.out), err)
}

func (p *produceCommand) noPartition() error {
	return fmt.Errorf("topic %q has partitions 0 to %d", p.topic, p.parts-1)
}

// make makes the topic, and waits until brokers know it.
func (p *produceCommand) make(ctx context.Context, s *Site, a *admin.Cluster) (err error) {
	spec := kafka.TopicSpec{Name: p.topic}
	if s.Routes != nil {
		want := s.Routes.Wanted(p.topic, func(string) int { return 0 })
		spec.Partitions, spec.Replication, spec.Config = want.Partitions, want.Replication, want.Config
	}
	if err := a.Create(ctx, spec); err != nil {
		return fmt.Errorf("create topic %q: %w", p.topic, err)
	}
	p.parts, err = a.Await(ctx, p.topic)
	return err //nolint:wrapcheck // it says what
}

// input is where records come from.
type input struct {
	name  string
	from  io.Reader
	file  *os.File
	twice bool // it can be read again
}

// input opens what is read; its error is that of the file.
func (p *produceCommand) input(c *Console) (*input, error) {
	switch {
	case p.value != nil || p.null:
		return &input{}, nil
	case p.file == "" || p.file == "-":
		if c.Operator.Asks {
			what := `records, a line of JSON each, such as {"key":"o-1","value":{"id":1}}`
			if p.raw {
				what = "values, one a line"
			}
			_, _ = fmt.Fprintf(c.Err, "reading %s; Ctrl-D ends\n", what) // nobody to tell
		}
		return &input{name: "standard input", from: c.Operator.In}, nil
	}
	f, err := os.Open(p.file)
	if err != nil {
		return nil, fmt.Errorf("--file: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder", p.file)
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, fmt.Errorf("--file: %w", err)
	}
	return &input{name: p.file, from: f, file: f, twice: info.Mode().IsRegular()}, nil
}

func (in *input) close() {
	if in.file != nil {
		_ = in.file.Close() // it was read
	}
}

// check reads a file through, and tells all that is wrong with it.
func (in *input) check(p *produceCommand) error {
	if !in.twice {
		return nil
	}
	const most = 20
	var errs []error
	next := p.records(in)
	for {
		_, err := next()
		var wrong *lines.Error
		switch {
		case errors.Is(err, io.EOF):
			if len(errs) > most {
				errs = append(errs[:most], fmt.Errorf("and %d more", len(errs)-most))
			}
			if len(errs) > 0 {
				return errors.Join(append(errs, errors.New("nothing was written"))...)
			}
			_, err = in.file.Seek(0, io.SeekStart)
			return err //nolint:wrapcheck // it names the file
		case errors.As(err, &wrong):
			errs = append(errs, err)
		case err != nil:
			return err
		}
	}
}

// entry is a record to write, and where it was read.
type entry struct {
	*kgo.Record

	line int // 0 for the only one
}

// records returns what reads the next record. Its error is io.EOF after the last one, and a *lines.Error for one that is wrong.
func (p *produceCommand) records(in *input) func() (entry, error) {
	if in.from == nil {
		r := p.plain(nil)
		if p.value != nil {
			r.Value = []byte(*p.value)
		}
		return func() (entry, error) {
			if r == nil {
				return entry{}, io.EOF
			}
			once := entry{Record: r}
			r = nil
			return once, nil
		}
	}
	reader := lines.NewReader(in.name, in.from)
	read := p.line
	if p.raw {
		read = p.rawLine
	}
	return func() (entry, error) {
		r, err := read(in.name, reader)
		return entry{r, reader.Line()}, err
	}
}

func (p *produceCommand) rawLine(_ string, reader *lines.Reader) (*kgo.Record, error) {
	value, err := reader.Raw()
	if err != nil {
		return nil, err //nolint:wrapcheck // it names the file
	}
	return p.plain(value), nil
}

func (p *produceCommand) line(file string, reader *lines.Reader) (*kgo.Record, error) {
	r, err := reader.Read()
	if err != nil {
		return nil, err //nolint:wrapcheck // it says where
	}
	r.Topic, r.Offset, r.Headers = p.topic, 0, append(r.Headers, p.more...)
	if p.numbered {
		r.Partition = p.partition
	}
	if int(r.Partition) >= p.parts {
		problem := fmt.Sprintf("%d: %s; --partition -1 writes to that of the key", r.Partition, p.noPartition())
		return nil, &lines.Error{File: file, Line: reader.Line(), Field: "partition", Problem: problem}
	}
	return r, nil
}

// plain is a record of the flags.
func (p *produceCommand) plain(value []byte) *kgo.Record {
	r := &kgo.Record{Topic: p.topic, Value: value, Partition: lines.AnyPartition, Headers: p.more}
	if p.keyed {
		r.Key = []byte(p.key)
	}
	if p.numbered {
		r.Partition = p.partition
	}
	return r
}
