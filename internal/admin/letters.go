package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
)

// Letter is a record of a dead letter topic, and what its headers say.
type Letter struct {
	*kgo.Record

	// Source is where it was first consumed; its Topic is empty for a record that says nothing of it.
	Source Source
	// Attempts is how often its handler was called.
	Attempts int
	// Error and ErrorType are those of the last attempt.
	Error, ErrorType string
	// FailedAt is when it was written.
	FailedAt time.Time
}

// Source is where a letter comes from.
type Source struct {
	Group     string
	Topic     string
	Partition int32
	Offset    int64
	Timestamp time.Time
}

// letterOf reads the headers.
func letterOf(r *kgo.Record) Letter {
	l := Letter{Record: r, Source: Source{Partition: -1, Offset: -1}}
	for _, h := range r.Headers {
		text := string(h.Value)
		switch h.Key {
		case consumer.HeaderSourceTopic:
			l.Source.Topic = text
		case consumer.HeaderSourceGroup:
			l.Source.Group = text
		case consumer.HeaderSourcePartition:
			if n, err := strconv.ParseInt(text, 10, 32); err == nil {
				l.Source.Partition = int32(n)
			}
		case consumer.HeaderSourceOffset:
			if n, err := strconv.ParseInt(text, 10, 64); err == nil {
				l.Source.Offset = n
			}
		case consumer.HeaderSourceTimestamp:
			l.Source.Timestamp = timeOf(text)
		case consumer.HeaderAttempts:
			l.Attempts, _ = strconv.Atoi(text)
		case consumer.HeaderError:
			l.Error = text
		case consumer.HeaderErrorType:
			l.ErrorType = text
		case consumer.HeaderFailedAt:
			l.FailedAt = timeOf(text)
		}
	}
	return l
}

func timeOf(text string) time.Time {
	t, _ := time.Parse(time.RFC3339, text) // the zero time for what is none
	return t
}

// Selection says which letters are meant; empty fields leave the choice open.
type Selection struct {
	// Group and Topic are those of the source, ErrorType the error's Go type.
	Group, Topic, ErrorType string
	// Error is a part of the error's text.
	Error string
	// Since and Until are bounds of FailedAt: not before, and before.
	Since, Until time.Time
	// Partition and Offset name one letter by its place in the dead letter topic, when One is true.
	One       bool
	Partition int32
	Offset    int64
}

// Has reports whether a letter is meant.
func (s Selection) Has(l Letter) bool {
	is := func(want, have string) bool { return want == "" || want == have }
	return is(s.Group, l.Source.Group) && is(s.Topic, l.Source.Topic) && is(s.ErrorType, l.ErrorType) &&
		strings.Contains(l.Error, s.Error) &&
		(s.Since.IsZero() || !l.FailedAt.Before(s.Since)) && (s.Until.IsZero() || l.FailedAt.Before(s.Until)) &&
		(!s.One || l.Partition == s.Partition && l.Offset == s.Offset)
}

// within narrows the offsets of a partition from begin to before end to those that may be meant.
func (s Selection) within(partition int32, begin, end int64) (int64, int64) {
	switch {
	case !s.One:
		return begin, end
	case partition != s.Partition:
		return begin, begin
	default:
		return max(begin, s.Offset), min(end, s.Offset+1)
	}
}

// DeadLetters works on the dead letters of a cluster. Its methods are safe for concurrent use.
type DeadLetters struct {
	opts  []kgo.Opt
	cl    *kgo.Client
	admin *kadm.Client
}

// OpenDeadLetters makes clients with these options, which say where the cluster is. Nothing is connected yet.
func OpenDeadLetters(opts ...kgo.Opt) (*DeadLetters, error) {
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("configure client: %w", err)
	}
	return &DeadLetters{opts: opts, cl: cl, admin: kadm.NewClient(cl)}, nil
}

// Close ends the connections.
func (d *DeadLetters) Close() { d.cl.Close() }

// List calls each for the letters of a topic that are meant, those of a partition in order, up to the last one that is there when it
// begins, until each returns false.
func (d *DeadLetters) List(ctx context.Context, topic string, s Selection, each func(Letter) bool) error {
	return d.read(ctx, topic, s, nil, func(records []*kgo.Record) (bool, error) {
		for _, r := range records {
			if l := letterOf(r); s.Has(l) && !each(l) {
				return false, nil
			}
		}
		return true, nil
	})
}

// ErrNoTopic tells that a topic does not exist.
var ErrNoTopic = errors.New("the topic does not exist")

// read hands over the records of a topic, a fetch of them after the other, from given offsets or the beginning to where the topic ends now.
// Where one letter is meant, it hands over no other.
func (d *DeadLetters) read(
	ctx context.Context, topic string, s Selection, begin map[int32]int64, each func([]*kgo.Record) (bool, error),
) error {
	starts, err := d.admin.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		return fmt.Errorf("topic %q: %w", topic, ErrNoTopic)
	}
	if err != nil {
		return fmt.Errorf("topic %q: list its first offsets: %w", topic, err)
	}
	ends, err := d.admin.ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("topic %q: list its end: %w", topic, err)
	}
	from, until := map[int32]int64{}, map[int32]int64{}
	starts.Each(func(o kadm.ListedOffset) {
		e, _ := ends.Lookup(topic, o.Partition)
		if first, end := s.within(o.Partition, max(o.Offset, begin[o.Partition]), e.Offset); first < end {
			from[o.Partition], until[o.Partition] = first, end
		}
	})
	return consume(ctx, append(slices.Clip(d.opts), kgo.FetchIsolationLevel(kgo.ReadCommitted())), topic, from, until, each)
}
