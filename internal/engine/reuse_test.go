package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/middleware"
	"github.com/karafgo/karafgo/router"
)

// What a handler sees must be its record's for as long as it runs, whatever the memory was used for before, and is used for next.
func TestReusedRecordsAreTheHandlersOwnUntilItReturns(t *testing.T) {
	t.Parallel()
	const partitions, each = 4, 5000
	value := func(p int32, i int64) string { return strings.Repeat(fmt.Sprintf("%d/%d;", p, i), 1+int(i%17)) }
	check := func(m *consumer.Message) error {
		want := value(m.Record.Partition, m.Offset)
		if string(m.Value) != want || string(m.Key) != strconv.FormatInt(m.Offset, 10) || len(m.Headers) != 1 || string(m.Headers[0].Value) != want {
			return consumer.Permanent(fmt.Errorf("offset %d of %d holds %.40q", m.Offset, m.Record.Partition, m.Value))
		}
		return nil
	}
	for name, draw := range map[string]func(g *router.Group, h consumer.Handler) *router.Route{
		"each": func(g *router.Group, h consumer.Handler) *router.Route { return g.Topic("a").Each(h) },
		"middleware": func(g *router.Group, h consumer.Handler) *router.Route {
			return g.Topic("a").Each(h).Use(middleware.Log())
		},
		"batch": func(g *router.Group, h consumer.Handler) *router.Route {
			return g.Topic("a").Batch(consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
				for _, m := range b.All() {
					if err := h.Handle(ctx, m); err != nil {
						return consumer.FailedAt(m, err)
					}
				}
				return nil
			}), 77, time.Millisecond)
		},
	} {
		for _, codec := range []kgo.CompressionCodec{kgo.NoCompression(), kgo.ZstdCompression()} {
			t.Run(fmt.Sprint(name, codec), func(t *testing.T) {
				t.Parallel()
				c := newCluster(t)
				c.topic("a", partitions)
				cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
					kgo.ProducerBatchCompression(codec), kgo.ProducerBatchMaxBytes(64<<10))
				g := NewWithT(t)
				g.Expect(err).NotTo(HaveOccurred())
				defer cl.Close()
				for p := range int32(partitions) {
					recs := make([]*kgo.Record, each)
					for i := range recs {
						v := []byte(value(p, int64(i)))
						recs[i] = &kgo.Record{
							Topic: "a", Partition: p, Key: fmt.Append(nil, i), Value: v, Headers: []kgo.RecordHeader{{Key: "h", Value: v}},
						}
					}
					g.Expect(cl.ProduceSync(t.Context(), recs...).FirstErr()).To(Succeed())
				}
				j := newJournal()
				var mu sync.Mutex
				failed := map[string]bool{}
				h := consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
					if err := check(m); err != nil {
						return err
					}
					if m.Offset%1000 == 500 { // fails once, and is looked at again
						mu.Lock()
						id := fmt.Sprint(m.Record.Partition, m.Offset)
						again := failed[id]
						failed[id] = true
						mu.Unlock()
						if !again {
							return errPoison
						}
					}
					j.note("m", &consumer.Message{Record: &kgo.Record{Topic: "a", Partition: m.Record.Partition, Offset: m.Offset}})
					return check(m)
				})
				p := c.run(t, func(r *router.Router) {
					r.Group("g", func(g *router.Group) {
						draw(g, h).OnFailure(router.Retry(3, time.Millisecond), router.Stop).ReuseRecords()
					})
				}, withConfig(func(cfg *config.Config) { cfg.Fetch.MaxPollRecords = 300 }))
				j.awaitRecords(t, partitions*each)
				p.stop()
				g.Expect(p.Err()).NotTo(HaveOccurred())
				for p := range int32(partitions) {
					g.Expect(j.offsets("a", p)).To(HaveLen(each))
				}
			})
		}
	}
}

// A slow handler's queue is copied out of the fetch it came in: the copies are not the pool's.
func TestReusedRecordsOfASlowHandler(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	value := make([]byte, 1000)
	for i := range value {
		value[i] = byte(rand.IntN(256))
	}
	for p := range int32(2) {
		recs := make([]*kgo.Record, 300)
		for i := range recs {
			recs[i] = &kgo.Record{Topic: "a", Partition: p, Value: value}
		}
		c.send(recs...)
	}
	j := newJournal()
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		if m.Offset < 5 {
			for until := time.Now().Add(3 * time.Millisecond); time.Now().Before(until); { //nolint:revive // slow is what it is to be
			}
		}
		if !bytes.Equal(m.Value, value) {
			return errors.New("not what was produced")
		}
		j.note("m", &consumer.Message{Record: &kgo.Record{Topic: "a", Partition: m.Record.Partition, Offset: m.Offset}})
		return nil
	}), func(r *router.Route) { r.ReuseRecords() }))
	j.awaitRecords(t, 600)
	p.stop()
	NewWithT(t).Expect(of[callbacks.Failed](p.events)).To(BeEmpty())
}
