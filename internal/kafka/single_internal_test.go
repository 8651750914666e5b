package kafka

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestOneOfBatch(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	g.Expect(OneOfBatch(fmt.Errorf("produce: %w", kerr.MessageTooLarge))).To(BeTrue())
	g.Expect(OneOfBatch(kerr.NotEnoughReplicas)).To(BeFalse())
	g.Expect(OneOfBatch(nil)).To(BeFalse())
}

func TestRecordsAreSentAlone(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "a"))
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(broker.Close)
	var largest int32
	broker.ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		broker.KeepControl()
		for _, topic := range req.(*kmsg.ProduceRequest).Topics {
			for _, p := range topic.Partitions {
				var b kmsg.RecordBatch
				if b.ReadFrom(p.Records) == nil {
					largest = max(largest, b.NumRecords)
				}
			}
		}
		return nil, nil, false //nolint:nilnil // not answered here
	})
	s := newSingle(func(more ...kgo.Opt) (*kgo.Client, error) {
		// With room for one, the promise of the first would wait for ever until there is room for the second.
		opts := []kgo.Opt{
			kgo.SeedBrokers(broker.ListenAddrs()...), kgo.ProducerLinger(10 * time.Millisecond), kgo.MaxBufferedRecords(1), kgo.MaxBufferedBytes(100),
		}
		return kgo.NewClient(append(opts, more...)...)
	}, newDelivery(time.Minute))
	g.Expect(s.flush(t.Context())).To(Succeed(), "nothing is under way")
	var order []string
	for i := range 20 {
		s.produce(t.Context(), &kgo.Record{Topic: "a", Value: fmt.Append(nil, i)}, func(r *kgo.Record, err error) {
			order = append(order, fmt.Sprintf("%s %v", r.Value, err))
		})
	}
	g.Expect(s.flush(t.Context())).To(Succeed())
	g.Expect(largest).To(BeEquivalentTo(1))
	g.Expect(order).To(HaveLen(20))
	for i, got := range order {
		g.Expect(got).To(Equal(fmt.Sprintf("%d <nil>", i)))
	}

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	refused := make(chan error, 1)
	s.produce(gone, &kgo.Record{Topic: "a"}, func(_ *kgo.Record, err error) { refused <- err })
	g.Expect(<-refused).To(MatchError(context.Canceled))
	s.close()
	s.produce(t.Context(), &kgo.Record{Topic: "a"}, func(_ *kgo.Record, err error) { refused <- err })
	g.Expect(<-refused).To(MatchError(kgo.ErrClientClosed))

	wrong := errors.New("wrong")
	s = &single{by: newDelivery(time.Minute), open: func() (*kgo.Client, error) { return nil, wrong }}
	s.produce(t.Context(), &kgo.Record{Topic: "a"}, func(_ *kgo.Record, err error) { refused <- err })
	g.Expect(<-refused).To(MatchError(wrong))
	s.close()
}
