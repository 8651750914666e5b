package testkit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/kafka"
)

// Delivery tells what became of one message. It looks when it is asked, so it can be asked again.
type Delivery struct {
	// Record is what was written: topic, partition, offset, key, value, headers, timestamp.
	*kgo.Record

	src source
	in  string // the group that In named
}

// source is where a delivery can ask.
type source interface {
	history() *journal
	// groupsOf names the groups that consume a topic.
	groupsOf(topic string) []string
	// marked reports whether the group has done everything before the offset and the record at it.
	marked(group string, tp kafka.TopicPartition, offset int64) bool
	// Committed is the group's committed offset.
	Committed(group, topic string, partition int32) int64
	failf(format string, args ...any)
}

func (k *Kit) history() *journal                { return k.journal }
func (k *Kit) failf(format string, args ...any) { k.tb.Helper(); k.tb.Fatalf(format, args...) }

func (k *Kit) marked(group string, tp kafka.TopicPartition, offset int64) bool {
	for _, s := range k.engine.Status() {
		if s.Group == group && s.Topic == tp.Topic && s.Partition == tp.Partition && s.Position > offset {
			return true
		}
	}
	return k.memory.committed(group, tp) > offset
}

// In looks at the message as one group sees it. It is needed where more than one group consumes the topic.
func (d *Delivery) In(group string) *Delivery {
	return &Delivery{Record: d.Record, src: d.src, in: group}
}

func (d *Delivery) group() string {
	groups := d.src.groupsOf(d.Topic)
	switch {
	case d.in != "" && !slices.Contains(groups, d.in):
		d.src.failf("testkit: group %q does not consume topic %q: groups %q do", d.in, d.Topic, groups)
	case d.in != "":
		return d.in
	case len(groups) == 0:
		d.src.failf("testkit: no group consumes topic %q", d.Topic)
	case len(groups) > 1:
		d.src.failf("testkit: topic %q is consumed by groups %q: say which one, as in d.In(%q)", d.Topic, groups, groups[0])
	}
	return groups[0]
}

func (d *Delivery) where() callbacks.Where {
	return callbacks.Where{Group: d.group(), Topic: d.Topic, Partition: d.Partition}
}

// happening is an event about this record.
type happening struct {
	at    time.Duration // since the start
	event callbacks.Event
}

// happenings returns the events about this record, in order.
func (d *Delivery) happenings() []happening {
	where, j := d.where(), d.src.history()
	var found []happening
	for _, e := range j.all() {
		if d.concerns(e.event, where) {
			found = append(found, happening{e.at.Sub(j.began), e.event})
		}
	}
	return found
}

func (d *Delivery) concerns(event callbacks.Event, where callbacks.Where) bool {
	covers := func(w callbacks.Where, first, last int64) bool {
		return w == where && first <= d.Offset && d.Offset <= last
	}
	switch e := event.(type) {
	case callbacks.Handled:
		return covers(e.Where, e.First, e.Last) && (e.Offsets == nil || slices.Contains(e.Offsets, d.Offset))
	case callbacks.Failed:
		return covers(e.Where, e.First, e.Last)
	case callbacks.Stale:
		return covers(e.Where, e.First, e.Last)
	case callbacks.Retried:
		return covers(e.Where, e.Offset, e.Offset)
	case callbacks.Blocked:
		return covers(e.Where, e.Offset, e.Offset)
	case callbacks.Skipped:
		return covers(e.Where, e.Offset, e.Offset)
	case callbacks.ProduceFailed:
		return covers(e.Where, e.Offset, e.Offset)
	case callbacks.RetriedLater:
		return covers(e.Where, e.Offset, e.Offset)
	case callbacks.DeadLettered:
		return covers(e.Where, e.Offset, e.Offset)
	case callbacks.ForwardFailed:
		return covers(e.Where, e.Offset, e.Offset)
	default:
		return false
	}
}

func count[E callbacks.Event](d *Delivery) (n int) {
	for _, h := range d.happenings() {
		if _, ok := h.event.(E); ok {
			n++
		}
	}
	return n
}

// Marked reports whether the record is marked as consumed, and every record of its partition before it.
func (d *Delivery) Marked() bool {
	return d.src.marked(d.group(), kafka.TopicPartition{Topic: d.Topic, Partition: d.Partition}, d.Offset)
}

// Committed reports whether the cluster has the mark.
func (d *Delivery) Committed() bool {
	return d.src.Committed(d.group(), d.Topic, d.Partition) > d.Offset
}

// Handled is how often a handler returned nil for the record. It is more than one after a redelivery.
func (d *Delivery) Handled() int { return count[callbacks.Handled](d) }

// Retried is how often the record was handed over again after a failure, or is about to be.
func (d *Delivery) Retried() int { return count[callbacks.Retried](d) }

// Skipped reports whether the record was marked without having been handled.
func (d *Delivery) Skipped() bool { return count[callbacks.Skipped](d) > 0 }

// DeadLettered is the topic that the record was written to when its retries were over, empty when it was not.
func (d *Delivery) DeadLettered() (topic string) {
	for _, h := range d.happenings() {
		if e, ok := h.event.(callbacks.DeadLettered); ok {
			topic = e.To
		}
	}
	return topic
}

// RetriedLater is the retry topic that the record was written to, empty when it was not.
func (d *Delivery) RetriedLater() (topic string) {
	for _, h := range d.happenings() {
		if e, ok := h.event.(callbacks.RetriedLater); ok {
			topic = e.To
		}
	}
	return topic
}

// Forwarded is the record in the retry or dead letter topic that it was last written to, and what becomes of it there; nil when it was not.
func (d *Delivery) Forwarded() *Delivery {
	to := d.DeadLettered()
	if to == "" {
		to = d.RetriedLater()
	}
	if to == "" {
		return nil
	}
	copies := d.Outputs(to)
	if len(copies) == 0 {
		return nil
	}
	return &Delivery{Record: copies[len(copies)-1], src: d.src, in: d.in}
}

// Blocked reports whether the record holds up its partition: it is out of retries and its route draws Block.
func (d *Delivery) Blocked() bool {
	return count[callbacks.Blocked](d) > 0 && !d.Marked()
}

// Err is the last failure of the record, nil when there was none.
func (d *Delivery) Err() error {
	var last error
	for _, h := range d.happenings() {
		switch e := h.event.(type) {
		case callbacks.Failed:
			last = e.Err
		case callbacks.Skipped:
			last = e.Err
		}
	}
	return last
}

// Outputs returns what its handler wrote to a topic on behalf of the record; of an empty topic, to all. What a batch handler writes is on
// behalf of the message that it names.
func (d *Delivery) Outputs(topic string) []*kgo.Record {
	tp := kafka.TopicPartition{Topic: d.Topic, Partition: d.Partition}
	return d.src.history().outputs.of(topic, &kafka.Source{TopicPartition: tp, Group: d.group(), Offset: d.Offset})
}

// String tells the story of the record.
func (d *Delivery) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%d@%d", d.Topic, d.Partition, d.Offset)
	if d.Key != nil {
		fmt.Fprintf(&b, " (key %q)", d.Key)
	}
	if d.in == "" && len(d.src.groupsOf(d.Topic)) != 1 {
		return b.String()
	}
	fmt.Fprintf(&b, " in group %s:\n", d.group())
	hs := d.happenings()
	for _, h := range hs {
		fmt.Fprintf(&b, "  +%s %s\n", h.at, story(h.event))
	}
	if len(hs) == 0 {
		b.WriteString("  was not handed over\n")
	}
	for _, out := range d.Outputs("") {
		fmt.Fprintf(&b, "  wrote to %s: key %q, value %s\n", out.Topic, out.Key, shorten(out.Value))
	}
	switch {
	case d.Committed():
		b.WriteString("  is marked and committed\n")
	case d.Marked():
		b.WriteString("  is marked, not committed yet\n")
	default:
		b.WriteString("  is not marked\n")
	}
	return b.String()
}

func story(event callbacks.Event) string {
	switch e := event.(type) {
	case callbacks.Handled:
		if e.Count > 1 && e.Offsets == nil {
			return fmt.Sprintf("handled, with offsets %d to %d", e.First, e.Last)
		}
		return "handled"
	case callbacks.Failed:
		return fmt.Sprintf("attempt %d failed: %v", e.Attempt, e.Err)
	case callbacks.Retried:
		return fmt.Sprintf("waits %s for attempt %d", e.Delay, e.Attempt)
	case callbacks.Blocked:
		return "blocks its partition: retries are over"
	case callbacks.Skipped:
		return fmt.Sprintf("skipped: %v", e.Err)
	case callbacks.RetriedLater:
		return fmt.Sprintf("went to %s, to be tried again after %s", e.To, e.Delay)
	case callbacks.DeadLettered:
		return fmt.Sprintf("went to %s after %d attempts: %v", e.To, e.Attempt, e.Err)
	case callbacks.ForwardFailed:
		return fmt.Sprintf("could not be written to %s: %v", e.To, e.Err)
	case callbacks.Stale:
		return "its result was dropped: the partition had been taken away"
	case callbacks.ProduceFailed:
		return fmt.Sprintf("output to %s was refused: %v", e.Output, e.Err)
	default:
		return describe(event)
	}
}

func shorten(value []byte) string {
	const most = 200
	switch {
	case value == nil:
		return "none (a tombstone)"
	case len(value) > most:
		return fmt.Sprintf("%q and %d bytes more", value[:most], len(value)-most)
	default:
		return fmt.Sprintf("%q", value)
	}
}
