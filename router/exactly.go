package router

import "github.com/karafgo/karafgo/offsets"

// ExactlyOnce commits the outputs and the offsets of the group together, in Kafka's transactions (KIP-98, KIP-447): whoever reads only
// what is committed (isolation read_committed) sees the outputs of every record once, whatever fails, and dead letters and retries too.
// What handlers do elsewhere is at least once, as everywhere: a record may be handled again, whose outputs were not committed.
//
// It holds for all routes of the group, which receive only committed records themselves. Finished records wait up to
// commit.transaction_interval, 100ms, to be committed together; a handler's failure does not undo what others have finished. An output
// that is refused, or a rebalance that takes the group's word away, aborts the transaction: everything since the last commit is handled
// again.
//
// Routes handle record by record, or in batches, partition by partition: not ByKey or Unordered, ManualOffsets, AtMostOnce, ReuseRecords,
// or with Sync outputs.
func (g *Group) ExactlyOnce() {
	g.exactly, g.exactlyAt = true, caller()
}

// exactlyOnce makes all routes of a group so of which one drawing says it, and refuses what cannot be.
func (d *drawing) exactlyOnce(t *Table, index map[string]int) {
	at := map[string]location{}
	for _, g := range d.groups {
		if g.exactly {
			at[g.id] = g.exactlyAt
			t.groups[index[g.id]].ExactlyOnce = true
		}
	}
	for _, g := range d.groups {
		where, ok := at[g.id]
		if !ok {
			continue
		}
		for _, r := range g.routes {
			r.checkExactlyOnce(where)
		}
	}
	for i := range t.groups {
		for j := range t.groups[i].Routes {
			if r := &t.groups[i].Routes[j]; t.groups[i].ExactlyOnce && r.Offsets == offsets.Automatic {
				r.Offsets = offsets.ExactlyOnce
			}
		}
	}
}

func (r *Route) checkExactlyOnce(where location) {
	refuse := func(at location, what, why string) {
		r.errorf(at, "%s in a group with ExactlyOnce at %s: %s", what, where, why)
	}
	if r.ordering.SideBySide() {
		refuse(r.concurrencyAt, "Concurrency "+r.ordering.String(),
			"a transaction commits one offset for a partition, and outputs in its order; draw it by partition")
	}
	switch r.offsets {
	case offsets.Manual:
		refuse(r.at, "ManualOffsets", "the offset goes with the outputs; remove ManualOffsets")
	case offsets.AtMostOnce:
		refuse(r.onceAt, "AtMostOnce", "the offset goes with the outputs; remove AtMostOnce")
	case offsets.External:
		refuse(r.externalAt, "ExternalOffsets", "an offset is in Kafka's transaction or in the store's, not in both; "+
			"draw the route in another group")
	default:
	}
	if r.reuse {
		refuse(r.reuseAt, "ReuseRecords", "outputs wait for their transaction, and may be made of the record's bytes; remove ReuseRecords")
	}
	for _, o := range r.outputs {
		if o.Sync {
			refuse(r.modeAt, "Sync output "+o.Topic, "nothing leaves before its handler has succeeded; declare it Required or Optional")
		}
	}
}
