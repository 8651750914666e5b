package middleware

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/offsets"
)

// Seen remembers the ids of records that were handled. [Set] and [Last] do so in memory, and those of package sqlstore in the transaction
// that the handler writes in. It is used by several goroutines.
type Seen interface {
	// Once calls handle with which of the ids are copies of what was handled before, or of one before them, and remembers all of them if
	// it returns nil. ids are those of a batch, by position; an empty text is never a copy. p is the partition that the batch is of; its
	// ID is -1 on a route that hands over side by side, where nothing can be said of an order.
	//
	// Of two calls with the same id one waits for the other, or is refused: never do both find it new.
	//
	// When handle returns an error, the first n of the ids count all the same, because they were handled before it failed. Who undoes
	// what was written for them calls it again, with copies of the first n alone, and returns the first error in the end.
	Once(ctx context.Context, p offsets.Partition, ids []string, handle func(ctx context.Context, copies []bool) (n int, err error)) error
}

// Dedupe takes out copies: records whose id was handled before. They are marked, and counted as skipped. id returns what tells a record
// from others of its topic and group, an empty text for one that is never a copy; it is called for tombstones too. What failed is not
// remembered, and neither is what is skipped by a verdict.
//
// In memory, an id is remembered after its handler has returned nil. A process that dies in between handles the record again, and another
// process knows nothing of it: that is good for the copies of a producer, and no more. With sqlstore the id is remembered in the
// transaction that the handler takes with sqlstore.Tx and writes in, so its effect happens once, whatever crashes, although offsets
// follow later. A batch is one transaction; when it fails at one record, by [consumer.FailedAt], it is rolled back and what came before
// is handed over again and committed by itself.
//
// Middleware drawn before it sees copies, what comes after it does not. An output that a handler writes is acknowledged before the
// handler goes on, as if it were drawn with Sync: once an id is remembered nothing would write it again. On a route with ManualOffsets a
// mark is made before the id is remembered: where that fails, the mark wins.
//
// It fails every record, and says why, in a group with ExactlyOnce, whose transactions may be aborted after an id is remembered, and in
// memory on a route with ExternalOffsets, for the same reason.
func Dedupe(ids Seen, id func(*consumer.Message) string) consumer.Middleware {
	return func(next consumer.BatchHandler) consumer.BatchHandler {
		return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
			p, err := origin(b.First(), ids)
			if err != nil {
				return err
			}
			d := &deduping{next: next, batch: b, rest: b, ids: make([]string, b.Len()), at: make([]int, b.Len())}
			for i, m := range b.All() {
				d.ids[i], d.at[i] = id(m), i
			}
			return ids.Once(ctx, p, d.ids, d.handle)
		})
	}
}

var (
	errDedupeAborted = errors.New("middleware.Dedupe in a group with ExactlyOnce: an id would stay remembered when the transaction " +
		"is aborted, and the record be skipped; draw the group without one of them")
	errDedupeRolledBack = errors.New("middleware.Dedupe in memory on a route with ExternalOffsets: an id would stay remembered when the " +
		"store's transaction is rolled back, and the record be skipped; use sqlstore.NewSet or sqlstore.NewLast")
)

// origin is the partition that messages came from. What the route says besides, the engine's deliveries know.
func origin(m *consumer.Message, ids Seen) (offsets.Partition, error) {
	p := offsets.Partition{Topic: m.Topic, ID: m.Record.Partition}
	if a := m.Assigned(); a != nil {
		p.Group = a.Group()
	}
	drawn, ok := m.Delivery().(interface {
		Drawn() (mode offsets.Mode, ordered bool)
	})
	if !ok {
		return p, nil
	}
	mode, ordered := drawn.Drawn()
	if !ordered {
		p.ID = -1
	}
	switch ids.(type) {
	case *Set, *Last:
		if mode == offsets.External {
			return p, errDedupeRolledBack
		}
	}
	if mode == offsets.ExactlyOnce {
		return p, errDedupeAborted
	}
	return p, nil
}

// deduping is one batch in the hands of Dedupe.
type deduping struct {
	next  consumer.BatchHandler
	batch *consumer.Batch
	ids   []string
	rest  *consumer.Batch // what is no copy
	at    []int           // positions of its messages in the batch
}

// handle hands over what of the first messages is no copy. It takes messages out of what it took them out of before, so that each is
// counted once.
func (d *deduping) handle(ctx context.Context, copies []bool) (n int, err error) {
	left, i := d.at[:0], 0
	d.rest = d.rest.Skip(func(*consumer.Message) bool {
		at := d.at[i]
		i++
		if at >= len(copies) || copies[at] {
			return true
		}
		left = append(left, at)
		return false
	})
	d.at = left
	for i, m := range d.rest.All() {
		if to := m.Delivery(); to != nil {
			*d.rest.At(i) = consumer.NewMessage(m.Record, acknowledged{to})
		}
	}
	if err = d.next.HandleBatch(ctx, d.rest); err == nil {
		return len(copies), nil
	}
	return d.before(err), err
}

// before is how many messages came before the one that failed, if the error names it.
func (d *deduping) before(err error) int {
	if failed := consumer.VerdictOf(err).At; failed != nil {
		for i, m := range d.batch.All() {
			if m.Record == failed.Record {
				return i
			}
		}
	}
	return 0
}

// acknowledged makes each output wait for the broker.
type acknowledged struct{ consumer.Delivery }

// Send implements consumer.Delivery.
func (a acknowledged) Send(ctx context.Context, rec, out *kgo.Record, _ bool) error {
	return a.Delivery.Send(ctx, rec, out, true) //nolint:wrapcheck // it is the delivery's
}
