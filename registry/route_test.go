package registry_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	dto "github.com/prometheus/client_model/go"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/registry"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
	"github.com/karafgo/karafgo/testkit"
)

// labels is a program that reads orders in Avro and writes a label for each in Protobuf, under a key in Avro.
type labels struct {
	orders *registry.Codec
	topic  responder.KeyedTopic[string, *dto.LabelPair]
}

func newLabels(schemas *registry.Registry) *labels {
	orders, err := schemas.Avro(registry.ValueSubject("orders"), orderV1)
	Expect(err).NotTo(HaveOccurred())
	key, err := schemas.Avro(registry.KeySubject("labels"), `"string"`, registry.Register())
	Expect(err).NotTo(HaveOccurred())
	value, err := schemas.Protobuf(registry.ValueSubject("labels"), (*dto.LabelPair)(nil), registry.Register())
	Expect(err).NotTo(HaveOccurred())
	return &labels{orders, responder.NewKeyedTopic[string, *dto.LabelPair]("labels", key, value)}
}

func (l *labels) label(_ context.Context, w *responder.Writer, m *consumer.Typed[*Order]) error {
	if m.Tombstone() {
		return l.topic.Tombstone(w, string(m.Key))
	}
	return l.topic.Send(w, m.Payload.ID, &dto.LabelPair{Name: new(m.Payload.ID)})
}

func (l *labels) routes(r *router.Router) {
	r.Group("labels", func(g *router.Group) {
		g.Topic("orders").Each(responder.Decoded(l.orders, l.label, l.topic.Required())).OnFailure(
			router.When(router.ErrorAs[*consumer.DecodeError](), router.DeadLetter("orders.unreadable")),
			router.Retry(5, time.Second),
			router.DeadLetter("orders.dlq"),
		)
	})
}

var _ = Describe("A route with codecs of a registry", func() {
	It("reads Avro and writes Protobuf, and tombstones are tombstones", func() {
		s, schemas := memory()
		s.SeedSchema("orders-value", 1, 2, avroSchema(orderV2))
		l := newLabels(schemas)
		k := testkit.New(GinkgoTB(), l.routes)
		order := k.Deliver("orders", testkit.Bytes(unhex("00 00000002 02 41 02 06 555344"))) // by a writer that is newer
		Expect(order).To(And(
			testkit.HaveHandled(1),
			testkit.HaveResponded(l.topic, unhex("00 00000004 00 0a0141")),
			testkit.HaveMarked(),
		))
		Expect(order.Outputs("labels")[0].Key).To(Equal(unhex("00 00000003 02 41")))

		gone := k.Deliver("orders", testkit.Tombstone().Key("A"))
		Expect(gone).To(And(testkit.HaveHandled(1), testkit.HaveResponded(l.topic, nil), testkit.HaveMarked()))
		Expect(gone.Outputs("labels")[0].Key).To(Equal(unhex("00 00000003 02 41")))
	})

	It("sends what no codec can read to the end at once", func() {
		_, schemas := memory()
		k := testkit.New(GinkgoTB(), newLabels(schemas).routes)
		plain := k.Deliver("orders", testkit.Text(`{"id":"A"}`))
		Expect(plain).To(And(testkit.HaveFailed("not in the schema registry's wire format"), testkit.HaveDeadLettered("orders.unreadable")))
		unknown := k.Deliver("orders", testkit.Bytes(unhex("00 00000009 02 41 02")))
		Expect(unknown).To(And(testkit.HaveFailed("schema 9: the registry has no schema"), testkit.HaveDeadLettered("orders.unreadable")))
	})

	It("retries while the registry is away, by its own steps, and goes on when it is back", func() {
		s, schemas := memory()
		s.SeedSchema("orders-value", 1, 2, sr.Schema{Schema: orderV1})
		l := newLabels(schemas)
		k := testkit.New(GinkgoTB(), l.routes)
		s.setCut(true)
		order := k.Deliver("orders", testkit.Bytes(unhex("00 00000002 02 41 02")))
		Expect(order).To(And(testkit.HaveFailed("temporary failure of the codec"), testkit.HaveRetried(1)))
		k.Advance(3 * time.Second) // the first back-off and the second
		Expect(order).To(testkit.HaveRetried(3))
		s.setCut(false)
		k.Settle()
		Expect(order).To(And(testkit.HaveHandled(1), testkit.HaveResponded(l.topic, unhex("00 00000004 00 0a0141")), testkit.HaveMarked()))
		Expect(k.Outputs("orders.unreadable")).To(BeEmpty())
		Expect(k.Outputs("orders.dlq")).To(BeEmpty())
	})
})
