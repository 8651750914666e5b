package engine

import (
	"context"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/internal/metrics"
	"github.com/karafgo/karafgo/middleware"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

// perFetch is how many records of one partition a fetch of the hot path has.
const perFetch = 512

// hotPaths are the ways of a record through the engine that are budgeted: from what a poll returned to the mark. The client is left out.
var hotPaths = map[string]func(*router.Group){
	"each":  func(g *router.Group) { g.Topic("t").Each(look) },
	"reuse": func(g *router.Group) { g.Topic("t").Each(look).ReuseRecords() },
	"middleware": func(g *router.Group) {
		g.Topic("t").Each(look).Use(middleware.Log())
	},
	"manual": func(g *router.Group) {
		g.Topic("t").Each(consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error { return m.Mark() })).ManualOffsets()
	},
	"batch": func(g *router.Group) {
		g.Topic("t").Batch(consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
			for _, m := range b.All() {
				looked += m.Offset
			}
			return nil
		}), perFetch/4, 0)
	},
	"bykey": func(g *router.Group) {
		keys := make([][]byte, perFetch)
		for i := range keys {
			keys[i] = fmt.Appendf(nil, "key-%06d", i)
		}
		g.Topic("t").Each(look).Concurrency(2, router.ByKeyOf(func(r *kgo.Record) []byte { return keys[r.Offset%perFetch] }))
	},
	"respond": func(g *router.Group) {
		g.Topic("t").Each(responder.Decoded(consumer.BytesCodec, func(_ context.Context, w *responder.Writer, m *consumer.Typed[[]byte]) error {
			return out.Send(w, m.Key, m.Payload)
		}, out.Required()))
	},
	"respondbatch": func(g *router.Group) {
		g.Topic("t").Batch(responder.DecodedBatch(consumer.BytesCodec,
			func(_ context.Context, w *responder.Writer, b *consumer.TypedBatch[[]byte]) error {
				for _, m := range b.All() {
					if err := out.Send(w, m.Key, m.Payload); err != nil {
						return err
					}
				}
				return nil
			}, out.Required()), perFetch/4, 0)
	},
}

var out = responder.NewTopic[[]byte]("out", consumer.BytesCodec)

var (
	looked int64
	look   = consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		looked += m.Offset
		return nil
	})
)

type noClient struct{ kafka.Consumer }

// noBroker acknowledges many records at once, as brokers do.
type noBroker struct {
	kafka.Producer

	sent     []*kgo.Record
	promises []func(*kgo.Record, error)
}

func (*noBroker) Room() int { return perFetch }

func (b *noBroker) Produce(_ context.Context, _ kafka.Source, r *kgo.Record, promise func(*kgo.Record, error)) {
	b.sent, b.promises = append(b.sent, r), append(b.promises, promise)
	if len(b.sent) < perFetch/4 {
		return
	}
	for i, r := range b.sent {
		b.promises[i](r, nil)
	}
	b.sent, b.promises = b.sent[:0], b.promises[:0]
}

// drawn is an assignment of the topic t, without a member.
func drawn(tb testing.TB, draw func(*router.Group)) *assignment {
	tb.Helper()
	table, err := router.Draw(func(r *router.Router) { r.Group("g", draw) })
	NewWithT(tb).Expect(err).NotTo(HaveOccurred())
	e := New(table, Settings{
		Group: func(string) GroupSettings {
			return GroupSettings{MaxPollRecords: 10_000, QueueBytes: 1 << 30, PartitionBytes: 1 << 20, CommitInterval: time.Hour}
		},
		Inline: []callbacks.Listener{metrics.New(nil)},
	})
	e.producer = &noBroker{}
	r := newRunner(e, table.Groups()[0])
	r.client = noClient{}
	tp := kafka.TopicPartition{Topic: "t", Partition: 0}
	a := newAssignment(r, r.routes["t"], tp, 1, nil, nil)
	a.pos, a.began, a.fetched = position{0, -1}, true, 0
	if a.route.tracked {
		a.tr = newTracker(position{0, -1})
	}
	if p := a.route.pool; p != nil {
		p.limit = 1 // the test's lane
		a.keys = newKeys(a, p, a.pos, nil)
		a.keys.started = true
	}
	a.state.Store(int32(stateFetching))
	r.assigned[tp] = a
	return a
}

// hotPath returns what takes one fetch all the way. It runs in the caller's goroutine, so that what it costs does not depend on who runs
// when.
func hotPath(tb testing.TB, draw func(*router.Group)) (fetch func()) {
	tb.Helper()
	a := drawn(tb, draw)
	r := a.r
	w := newWorker(a)
	recs := make([]kgo.Record, perFetch)
	value := make([]byte, 100)
	offset := int64(0)
	consume := func() {
		for a.pos.offset < offset && (a.tr == nil || a.tr.watermark().offset < offset) {
			w.step()
		}
	}
	if a.keys != nil {
		consume = func() { sideBySide(a.keys) }
	}
	return func() {
		list := make([]*kgo.Record, perFetch) // the client's, as the records are
		for i := range recs {
			recs[i] = kgo.Record{Topic: "t", Offset: offset, Value: value}
			list[i] = &recs[i]
			offset++
		}
		r.dispatch(kgo.Fetches{{Topics: []kgo.FetchTopic{{Topic: "t", Partitions: []kgo.FetchPartition{{Records: list, HighWatermark: offset}}}}}})
		consume()
	}
}

// sideBySide consumes what is queued, each record by itself, as lanes do when handlers take long.
func sideBySide(k *keys) {
	const long = 1 << 55
	l := &lane{p: k.p, out: &outbox{}}
	k.p.lanes = append(k.p.lanes, l)
	k.p.poke(k)
	for more := true; more; {
		k.per = long
		more = l.step()
	}
}

// BenchmarkHotPath is what .ci/instructions counts, and what to profile.
func BenchmarkHotPath(b *testing.B) {
	for name, draw := range hotPaths {
		b.Run(name, func(b *testing.B) {
			fetch := hotPath(b, draw)
			b.ReportAllocs()
			for b.Loop() {
				fetch()
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/perFetch, "ns/record")
		})
	}
}
