package testkit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/kafka"
)

// journal is what happened: the events, in order, with their times. It implements callbacks.Listener.
type journal struct {
	outputs outputs
	began   time.Time

	mu      sync.Mutex
	entries []entry
	changed chan struct{} // closed, and replaced, with every event
}

type entry struct {
	at    time.Time
	event callbacks.Event
}

func newJournal() *journal { return &journal{began: time.Now(), changed: make(chan struct{})} }

// OnEvent implements callbacks.Listener.
func (j *journal) OnEvent(_ context.Context, e callbacks.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, entry{time.Now(), e})
	close(j.changed)
	j.changed = make(chan struct{})
}

func (j *journal) all() []entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clip(j.entries) // appending to it copies; what is in it does not change
}

func (j *journal) events() []callbacks.Event {
	all := j.all()
	events := make([]callbacks.Event, len(all))
	for i, e := range all {
		events[i] = e.event
	}
	return events
}

// progress counts the events after which something else is to come. A record that blocks is tried again for ever: that is none.
func (j *journal) progress() (n int) {
	for _, e := range j.all() {
		switch e.event.(type) {
		case callbacks.Failed, callbacks.Retried, callbacks.Blocked, callbacks.ForwardFailed:
		default:
			n++
		}
	}
	return n
}

// change returns a channel that is closed with the next event.
func (j *journal) change() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.changed
}

// String tells the last events, for a test that failed.
func (j *journal) String() string {
	const most = 50
	all := j.all()
	var b strings.Builder
	if n := len(all) - most; n > 0 {
		fmt.Fprintf(&b, "  %d events before\n", n)
		all = all[n:]
	}
	for _, e := range all {
		fmt.Fprintf(&b, "  +%s %s\n", e.at.Sub(j.began), describe(e.event))
	}
	return b.String()
}

// describe prints an event as its kind and its fields.
func describe(e callbacks.Event) string {
	return strings.TrimPrefix(fmt.Sprintf("%T%+v", e, e), "callbacks.")
}

// outputs are the acknowledged records that handlers wrote.
type outputs struct {
	mu  sync.Mutex
	all []output
}

type output struct {
	from   kafka.Source
	record *kgo.Record
}

func (o *outputs) add(from kafka.Source, r *kgo.Record) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = append(o.all, output{from, r})
}

// of returns the records written to a topic, of one source or, with nil, of all. An empty topic means any.
func (o *outputs) of(topic string, from *kafka.Source) []*kgo.Record {
	o.mu.Lock()
	defer o.mu.Unlock()
	var found []*kgo.Record
	for _, out := range o.all {
		if (topic == "" || out.record.Topic == topic) && (from == nil || out.from == *from) {
			found = append(found, out.record)
		}
	}
	return found
}
