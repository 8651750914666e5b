package router

import (
	"github.com/karafgo/karafgo/offsets"
)

// ExternalOffsets keeps the route's offsets in a store of the program's, together with what its handlers write there: each record takes
// effect in it exactly once, over crashes and rebalances. Package sqlstore has a store for database/sql.
//
// For each record, or batch, the engine begins a unit of work in the store, calls middleware and handler with it in their context, and
// commits it with the offset. When the handler fails, what it wrote is rolled back. Of a batch that returns FailedAt(m), all is rolled
// back; what came before m is handed over again and committed by itself, then what begins with m.
//
// On assignment the partition is claimed in the store, which tells where to go on; a member that the group has given up without its knowing
// can store nothing any more. Without a position in the store the route starts by StartAt, and stores that. While the store does not
// answer, the partition waits, without an attempt being counted. The offset is committed to Kafka too, after the store has it, for those
// who watch the lag; Kafka's is never read.
//
// DeadLetter and RetryLater write to Kafka first, and the offset moves when the topic has the record: a crash in between writes it twice.
// A record that waits in a retry topic twice is handled twice; where that matters, retry in place and end in DeadLetter.
//
// A route with outputs cannot have it, nor one whose records are handled side by side.
func (r *Route) ExternalOffsets(store offsets.Store) *Route {
	at := caller()
	switch {
	case store == nil:
		r.errorf(at, "ExternalOffsets(nil): pass an offsets.Store, such as sqlstore.New returns")
	case r.store != nil:
		r.errorf(at, "ExternalOffsets is drawn twice, first at %s: a partition has its offset in one place", r.externalAt)
	case r.offsets != offsets.Automatic:
		r.errorf(at, "ExternalOffsets with offsets %s: the store moves the offset with what the handler writes, and nobody else; "+
			"remove ManualOffsets or AtMostOnce", r.offsets)
	}
	r.offsets, r.store, r.externalAt = offsets.External, store, at
	return r
}

// checkExternal refuses what does not go with offsets that the program keeps.
func (r *Route) checkExternal() {
	if r.offsets != offsets.External {
		return
	}
	if r.ordering.SideBySide() {
		r.errorf(r.externalAt, "ExternalOffsets with Concurrency %s: the store keeps one offset for a partition, "+
			"which cannot say what is done above it; draw router.ByPartition, and more partitions", r.ordering)
	}
	if len(r.outputs) > 0 {
		r.errorf(r.externalAt, "ExternalOffsets with outputs: they are in Kafka and cannot be committed with the store's unit of work; "+
			"write them to an outbox table in it, or draw g.ExactlyOnce() and keep the results in Kafka")
	}
}
