package testkit

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/engine"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/router"
)

// Kit runs routes on the real engine, with clusters and clocks that exist only in the test. Its methods return when nothing more happens at
// that moment of virtual time: what a record sets off is over, or waits for time to pass. They are for one goroutine.
type Kit struct {
	tb      testing.TB
	bubble  *bubble
	memory  *memory
	engine  *engine.Engine
	journal *journal
	table   *router.Table
	stopped bool
	stopErr error
	stuck   bool
	quiet   time.Duration // when nothing happens for so long, nothing will
}

// New starts routes in virtual time and stops them when the test ends. Groups have all partitions of their topics, and each topic exists.
// Retries wait for exactly their back-off: 100ms, 200ms, 400ms for Retry(3, 100*time.Millisecond).
//
// Called in a synctest bubble it uses the test's own; else it makes one. Handlers run inside: for them time.Now and time.Sleep are
// virtual. A channel that the test makes outside is none that they should wait for.
//
// It fails the test when the routes are drawn wrong.
func New(tb testing.TB, routes router.Drawer, opts ...Option) *Kit {
	tb.Helper()
	table, err := router.Draw(routes)
	if err != nil {
		tb.Fatalf("testkit: the routes are drawn wrong:\n%v", err)
	}
	b, err := enter(tb)
	if err != nil {
		tb.Fatal(err)
	}
	k := &Kit{tb: tb, bubble: b, table: table}
	o := gather(config.Default(), opts)
	b.run(tb, func() { err = k.start(o) })
	if err != nil {
		b.leave()
		tb.Fatalf("testkit: %v", err)
	}
	tb.Cleanup(k.close)
	return k
}

func (k *Kit) start(o options) error {
	k.journal = newJournal()
	k.memory = newMemory(&k.journal.outputs)
	for topic, n := range o.topics(k.table) {
		k.memory.create(topic, n)
	}
	s := o.settings(k.journal)
	s.Connect = k.memory
	s.Jitter = func(longest time.Duration) time.Duration { return longest }
	k.engine = engine.New(k.table, s)
	k.quiet = 2 * s.TopicInterval
	for _, g := range k.table.Groups() {
		k.quiet = max(k.quiet, 2*s.Group(g.ID).CommitInterval)
		for _, r := range g.Routes {
			k.quiet = max(k.quiet, 2*max(r.BatchWait, s.Topics[r.Topic].BatchWait))
		}
	}
	return k.engine.Start(context.Background()) //nolint:wrapcheck // told as it is
}

// run runs fn inside and returns when everything waits.
func (k *Kit) run(fn func()) {
	k.tb.Helper()
	k.stuck = true
	k.bubble.run(k.tb, func() {
		if k.engine != nil {
			k.engine.Fence()
		}
		fn()
		synctest.Wait()
		if k.engine != nil {
			k.engine.Status() // so that what is handled is told of in here, where the journal is
		}
	})
	k.stuck = false
}

func (k *Kit) close() {
	if k.tb.Failed() {
		k.tb.Logf("what happened:\n%s", k.journal)
	}
	if k.stuck {
		return // told already; virtual time cannot end
	}
	if !k.stopped {
		k.run(func() {
			now, cancel := context.WithCancel(context.Background())
			cancel()
			k.stopErr = k.engine.Stop(now)
		})
		if k.stopErr != nil {
			k.tb.Errorf("testkit: %v:\n%s", k.stopErr, k.busy())
		}
	}
	if k.stopErr == nil {
		k.bubble.leave()
	}
}

// busy names the handlers that have not returned.
func (k *Kit) busy() string {
	var list strings.Builder
	for _, s := range k.engine.Status() {
		if s.Busy > 0 {
			fmt.Fprintf(&list, "  group %s: %s/%d@%d for %s\n", s.Group, s.Topic, s.Partition, s.Position, s.Busy)
		}
	}
	return list.String()
}

// Deliver writes a message to a topic, and returns when it is handled or waits. The result tells what becomes of it, also later.
func (k *Kit) Deliver(topic string, m *Message) *Delivery {
	k.tb.Helper()
	return k.DeliverAll(topic, m)[0]
}

// DeliverAll writes messages to a topic at once, so that one fetch has them all, as a batch handler needs it.
func (k *Kit) DeliverAll(topic string, ms ...*Message) []*Delivery {
	k.tb.Helper()
	if len(ms) == 0 {
		k.tb.Fatalf("testkit: DeliverAll(%q) without messages", topic)
	}
	if len(k.groupsOf(topic)) == 0 {
		k.tb.Fatalf("testkit: no route consumes topic %q: the routes consume %q", topic, k.consumed())
	}
	records := make([]*kgo.Record, len(ms))
	var failed error
	k.run(func() {
		k.memory.create(topic, 1) // one that a pattern matches, and that is found as time passes
		for i, m := range ms {
			r := m.record(topic)
			if m.partition == anyPartition {
				r.Partition = anyPartition
			}
			records[i] = r
			if failed = k.memory.append(r); failed != nil {
				return
			}
		}
	})
	if failed != nil {
		k.tb.Fatalf("testkit: %v", failed)
	}
	ds := make([]*Delivery, len(ms))
	for i, r := range records {
		ds[i] = &Delivery{Record: r, src: k}
	}
	return ds
}

// Do runs fn in virtual time. A message that a handler kept can be marked there and nowhere else. fn must not fail the test: keep what it
// finds, and look at it after Do.
func (k *Kit) Do(fn func()) {
	k.tb.Helper()
	k.run(fn)
}

// Advance lets virtual time pass.
func (k *Kit) Advance(d time.Duration) {
	k.tb.Helper()
	k.run(func() { <-time.After(d) })
}

// Now is the virtual time.
func (k *Kit) Now() (now time.Time) {
	k.tb.Helper()
	k.run(func() { now = time.Now() })
	return now
}

// longest is how much virtual time Settle lets pass: more than any retry should take, and than a test can mean.
const longest = 24 * time.Hour

// Settle lets virtual time pass until every record is done and committed, or waits for something else than time: blocked, paused, or not
// marked by its handler. It fails the test when that takes more than a day.
func (k *Kit) Settle() {
	k.tb.Helper()
	settled := false
	for passed := time.Duration(0); passed < longest && !settled; {
		k.run(func() {
			before := k.journal.progress()
			wait, busy := k.due()
			<-time.After(wait)
			passed += wait
			synctest.Wait()
			settled = !busy && k.journal.progress() == before
		})
	}
	if !settled {
		k.tb.Fatalf("testkit: not settled after %s of virtual time; what happened:\n%s", longest, k.journal)
	}
}

// due returns how long to wait for the next thing to happen. Without anything busy that is long enough for what goes on unseen: a batch
// that waits for more, a commit.
func (k *Kit) due() (wait time.Duration, busy bool) {
	const step = 10 * time.Millisecond
	wait = k.quiet
	for _, s := range k.engine.Status() {
		switch {
		case !s.HeldUntil.IsZero():
			wait = min(wait, max(time.Until(s.HeldUntil), step))
		case s.Retrying != nil && s.Retrying.Blocked, len(s.Paused) > 0:
			continue
		case s.Retrying != nil:
			wait = min(wait, max(time.Until(s.Retrying.Next), step))
		case s.Busy > 0:
			wait = min(wait, max(s.Busy, step)) // doubles
		case s.Queued > 0, s.State == "closing":
			wait = min(wait, step)
		default:
			continue
		}
		busy = true
	}
	return wait, busy
}

// Revoke takes partitions of a topic away from the group that consumes it, as a rebalance does: deliveries may finish within group.drain,
// then their contexts are cancelled. It does not wait for a handler that is in progress: let time pass for that. Without partitions it
// takes all.
func (k *Kit) Revoke(topic string, partitions ...int32) {
	k.tb.Helper()
	k.rebalance(topic, partitions, func(m *member, parts map[string][]int32) { m.release(parts, false) })
}

// Lose takes partitions away without warning, as the end of a session does: nothing of them is committed any more.
func (k *Kit) Lose(topic string, partitions ...int32) {
	k.tb.Helper()
	k.rebalance(topic, partitions, func(m *member, parts map[string][]int32) { m.release(parts, true) })
}

// Assign gives partitions back. They are consumed from their committed offset.
func (k *Kit) Assign(topic string, partitions ...int32) {
	k.tb.Helper()
	k.rebalance(topic, partitions, (*member).assign)
}

func (k *Kit) rebalance(topic string, partitions []int32, do func(*member, map[string][]int32)) {
	k.tb.Helper()
	n := k.memory.partitions(topic)
	if len(partitions) == 0 {
		for id := range n {
			partitions = append(partitions, int32(id))
		}
	}
	for _, id := range partitions {
		if int(id) >= n || id < 0 {
			k.tb.Fatalf("testkit: topic %q has no partition %d: it has %d", topic, id, n)
		}
	}
	k.run(func() {
		for _, g := range k.groupsOf(topic) {
			k.memory.mu.Lock()
			m := k.memory.members[g]
			k.memory.mu.Unlock()
			if m != nil {
				m.call(func() { do(m, map[string][]int32{topic: partitions}) })
			}
		}
	})
}

func (k *Kit) groupsOf(topic string) []string { return groupsOf(k.table, topic) }

// consumed are the topics and patterns of the routes.
func (k *Kit) consumed() []string {
	var names []string
	for _, g := range k.table.Groups() {
		for _, r := range g.Routes {
			names = append(names, r.Name())
		}
	}
	return names
}

func groupsOf(table *router.Table, topic string) []string {
	var ids []string
	for _, g := range table.Groups() {
		for _, r := range g.Routes {
			if r.Matches(topic) && !slices.Contains(ids, g.ID) {
				ids = append(ids, g.ID)
			}
		}
	}
	return ids
}

// FailCommits lets the next n commits of a group fail with err.
func (k *Kit) FailCommits(group string, n int, err error) {
	k.memory.failCommits(group, n, err)
}

// FailOutputs lets the next n records that handlers write to the topic fail with err, as when the broker refuses them.
func (k *Kit) FailOutputs(topic string, n int, err error) {
	k.memory.failOutputs(topic, n, err)
}

// Outputs returns what handlers wrote to a topic and the cluster has, in order. A topic that is drawn is consumed too.
func (k *Kit) Outputs(topic string) []*kgo.Record { return k.journal.outputs.of(topic, nil) }

// Committed returns what the group has committed: the next offset to consume, -1 for none.
func (k *Kit) Committed(group, topic string, partition int32) int64 {
	return k.memory.committed(group, kafka.TopicPartition{Topic: topic, Partition: partition})
}

// Events returns everything that happened so far, in order.
func (k *Kit) Events() []callbacks.Event { return k.journal.events() }

// Events returns the events of one kind, in order: testkit.Events[callbacks.Retried](k).
func Events[E callbacks.Event](from interface{ Events() []callbacks.Event }) []E {
	var found []E
	for _, e := range from.Events() {
		if v, ok := e.(E); ok {
			found = append(found, v)
		}
	}
	return found
}

// Err returns why the engine cannot go on, as after OnFailure(router.Stop); nil while it can.
func (k *Kit) Err() (err error) {
	k.tb.Helper()
	k.run(func() { err = k.engine.Err() })
	return err
}

// Stop drains and stops, as a program does on SIGTERM, and returns what it would: nil, or an error when handlers had to be abandoned.
func (k *Kit) Stop() error {
	k.tb.Helper()
	if !k.stopped {
		k.run(func() { k.stopErr = k.engine.Stop(context.Background()) })
		k.stopped = true
	}
	return k.stopErr
}
