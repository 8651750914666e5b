package testkit_test

import (
	"context"
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/testkit"
)

var mails = responder.JSONTopic[string]("mails")

func TestProducerThatRecords(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	p, sent := testkit.NewProducer()
	g.Expect(p.Send(t.Context(), mails.Record([]byte("a"), "one"), mails.Record([]byte("b"), "two", responder.Partition(3)))).To(Succeed())
	f := p.SendAsync(t.Context(), mails.Delete([]byte("a")))
	rec, err := f.Wait(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rec).To(And(HaveField("Partition", BeEquivalentTo(0)), HaveField("Offset", BeEquivalentTo(1)), HaveField("Value", BeNil())))
	g.Expect(sent.To("mails")).To(HaveExactElements(
		HaveField("Value", []byte(`"one"`)), HaveField("Partition", BeEquivalentTo(3)), HaveField("Key", []byte("a"))))
	g.Expect(sent.To("others")).To(BeEmpty())

	sent.Fail(1, kerr.InvalidRecord)
	g.Expect(p.Send(t.Context(), mails.Record(nil, "x"))).To(MatchError(kerr.InvalidRecord))
	g.Expect(sent.To("")).To(HaveLen(3))

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	g.Expect(p.Send(ended, mails.Record(nil, "x"))).To(MatchError(context.Canceled))
}

func TestTransactionThatRecords(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	p, sent := testkit.NewProducer()
	boom := errors.New("boom")
	g.Expect(p.Transaction(t.Context(), func(tx *responder.Tx) error {
		g.Expect(tx.Send(mails.Record(nil, "never"))).To(Succeed())
		return boom
	})).To(MatchError(boom))
	g.Expect(p.Transaction(t.Context(), func(tx *responder.Tx) error {
		g.Expect(tx.Send(mails.Record(nil, "one"), mails.Record(nil, "two"))).To(Succeed())
		g.Expect(sent.To("mails")).To(BeEmpty())
		return nil
	})).To(Succeed())
	g.Expect(sent.To("mails")).To(HaveLen(2))
	g.Expect(sent.Transactions()).To(Equal(2))
	sent.Fail(1, kerr.InvalidRecord)
	g.Expect(p.Transaction(t.Context(), func(tx *responder.Tx) error {
		return tx.Send(mails.Record(nil, "refused"), mails.Record(nil, "with it"))
	})).To(MatchError(kerr.InvalidRecord))
	g.Expect(sent.To("mails")).To(HaveLen(2))
}
