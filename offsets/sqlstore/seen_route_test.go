package sqlstore_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/middleware"
	"github.com/karafgo/karafgo/offsets/sqlstore"
	"github.com/karafgo/karafgo/router"
	"github.com/karafgo/karafgo/testkit"
)

// On routes that hand over batches, one of which fails at a record, and later succeeds.
func TestDedupeOnRoutesWithBatches(t *testing.T) {
	for name, change := range map[string]func(*router.Route, *sqlstore.Store){
		"automatic": func(*router.Route, *sqlstore.Store) {},
		"external":  func(r *router.Route, s *sqlstore.Store) { r.ExternalOffsets(s) },
		"by key":    func(r *router.Route, _ *sqlstore.Store) { r.Concurrency(2, router.ByKey) },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := inDatabase(sqlite, aSet)(t)
			seen := s.open(t)
			store, err := sqlstore.New(s.db)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(store.Migrate(t.Context())).To(Succeed())
			failures := 0
			h := consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
				for _, m := range b.All() {
					if err := s.write(ctx, string(m.Value)); err != nil {
						return err
					}
					if string(m.Value) == "3" && failures < 2 {
						failures++
						return consumer.FailedAt(m, errBoom)
					}
				}
				return nil
			})
			k := testkit.New(t, func(r *router.Router) {
				r.Group("g", func(g *router.Group) {
					route := g.Topic("t").Batch(h, 10, time.Second).OnFailure(router.Retry(5, time.Second), router.DeadLetter("dlq"))
					change(route.Use(middleware.Dedupe(seen, func(m *consumer.Message) string { return string(m.Value) })), store)
				})
			})
			texts := []string{"1", "2", "2", "3", "1", "4", "3"}
			ms := make([]*testkit.Message, len(texts))
			for i, text := range texts {
				ms[i] = testkit.Text(text).Key(text)
			}
			ds := k.DeliverAll("t", ms...)
			k.Settle()
			for _, d := range ds {
				testkit.Check(t, d, testkit.HaveMarked())
			}
			g.Expect(failures).To(Equal(2))
			g.Expect(s.effects(t.Context())).To(ConsistOf("1", "2", "3", "4"))
		})
	}
}
