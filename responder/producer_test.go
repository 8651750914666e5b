package responder_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
)

// line is a client whose records wait until the test answers.
type line struct {
	mu      sync.Mutex
	waiting []func(error)
	sent    []string
	room    int // for TryProduce
	closed  bool

	begun, Committed, Aborted int
	endErr, beginErr          error
}

func (l *line) Produce(_ context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = append(l.sent, string(r.Value))
	l.waiting = append(l.waiting, func(err error) { promise(r, err) })
}

func (l *line) TryProduce(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
	l.mu.Lock()
	full := len(l.waiting) >= l.room
	l.mu.Unlock()
	if full {
		promise(r, kgo.ErrMaxBuffered)
		return
	}
	l.Produce(ctx, r, promise)
}

// answer answers what waits.
func (l *line) answer(err error) {
	l.mu.Lock()
	waiting := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	for _, w := range waiting {
		w(err)
	}
}

func (l *line) Flush(context.Context) error {
	l.answer(nil)
	return nil
}

func (l *line) BeginTransaction() error {
	l.begun++
	return l.beginErr
}

func (l *line) EndTransaction(_ context.Context, commit kgo.TransactionEndTry) error {
	if commit == kgo.TryCommit {
		l.Committed++
	} else {
		l.Aborted++
	}
	return l.endErr
}

func (l *line) AbortBufferedRecords(context.Context) error {
	l.answer(kgo.ErrAborting)
	return nil
}
func (l *line) Close() { l.closed = true }

func (l *line) values() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sent
}

var _ = Describe("A producer", func() {
	var l *line
	BeforeEach(func() { l = &line{} })

	It("sends many records at once and returns when all are answered", func() {
		p := responder.NewProducer(l)
		done := make(chan error, 1)
		go func() { done <- p.Send(ctx, numbers.Record(nil, 1), numbers.Record(nil, 2), words.Delete([]byte("k"))) }()
		Eventually(l.values).Should(Equal([]string{"1", "2", ""}))
		Expect(done).NotTo(Receive())
		l.answer(nil)
		Eventually(done).Should(Receive(BeNil()))
	})

	It("says of each record why it was not acknowledged, and not what is in it", func() {
		p := responder.NewProducer(l)
		done := make(chan error, 1)
		go func() {
			done <- p.Send(ctx, responder.NewRecord("t", []byte("secret"), nil), responder.NewKeyedTopic[func(), int]("bad", consumer.JSONCodec,
				consumer.JSONCodec).Record(nil, 1))
		}()
		Eventually(l.values).Should(HaveLen(1))
		l.answer(kerr.MessageTooLarge)
		var err error
		Eventually(done).Should(Receive(&err))
		Expect(err).To(MatchError(kerr.MessageTooLarge))
		var failed *responder.SendError
		Expect(errors.As(err, &failed)).To(BeTrue())
		Expect(failed).To(And(HaveField("Topic", "t"), HaveField("Key", []byte("secret"))))
		Expect(err.Error()).To(And(Not(ContainSubstring("secret")), ContainSubstring(`send to topic "t": MESSAGE_TOO_LARGE`),
			ContainSubstring(`send to topic "bad": encode json key for topic "bad"`)))
	})

	It("gives a future", func() {
		p := responder.NewProducer(l)
		f := p.SendAsync(ctx, numbers.Record(nil, 1))
		Expect(f.Done()).NotTo(BeClosed())
		ended, cancel := context.WithCancel(ctx)
		cancel()
		_, err := f.Wait(ended)
		Expect(err).To(MatchError(context.Canceled))
		l.answer(nil)
		rec, err := f.Wait(ended)
		Expect(err).NotTo(HaveOccurred(), "it is known by now")
		Expect(rec.Value).To(Equal([]byte("1")))
	})

	It("fails when the buffer is full, if that is asked for", func() {
		l.room = 1
		p := responder.NewProducer(l, responder.FailWhenFull())
		f := p.SendAsync(ctx, numbers.Record(nil, 1))
		Expect(p.Send(ctx, numbers.Record(nil, 2))).To(MatchError(responder.ErrBufferFull))
		l.answer(nil)
		Eventually(f.Done()).Should(BeClosed())
	})

	It("takes nothing after it was closed", func() {
		closed := 0
		p := responder.NewProducer(l, responder.OnClose(func() { closed++ }))
		Expect(p.Close(ctx)).To(Succeed())
		Expect(p.Close(ctx)).To(Succeed())
		Expect(closed).To(Equal(1))
		Expect(p.Send(ctx, numbers.Record(nil, 1))).To(MatchError(responder.ErrProducerClosed))
	})

	It("tells of runs of successes by topic, and of every failure", func() {
		var mu sync.Mutex
		var told []string
		p := responder.NewProducer(l, responder.Observe(func(o responder.Outcome) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, fmt.Sprint(o.Topic, " ", o.Count, " ", o.Err))
		}))
		for i := range 3 {
			p.SendAsync(ctx, numbers.Record(nil, i))
		}
		l.answer(nil)
		p.SendAsync(ctx, words.Record(nil, "x"))
		l.answer(errBoom)
		Expect(told).To(Equal([]string{"numbers 3 <nil>", "words 1 boom"}))
	})

	It("makes records with partition, time and headers", func() {
		at := time.Unix(7, 0)
		m := consumer.NewMessage(&kgo.Record{Headers: []kgo.RecordHeader{
			{Key: "Traceparent", Value: []byte("t")}, {Key: "other", Value: []byte("o")}, {Key: "x-request-id", Value: []byte("r")},
		}}, nil)
		p := responder.NewProducer(l)
		f := p.SendAsync(ctx, numbers.Record([]byte("k"), 1, responder.Partition(2), responder.Timestamp(at),
			responder.Header("X-Request-ID", []byte("own")), responder.From(&m)))
		l.answer(nil)
		rec, err := f.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(rec).To(Equal(&kgo.Record{
			Topic: "numbers", Partition: 2, Timestamp: at, Key: []byte("k"), Value: []byte("1"),
			Headers: []kgo.RecordHeader{{Key: "X-Request-ID", Value: []byte("own")}, {Key: "Traceparent", Value: []byte("t")}},
		}))
		Expect(numbers.Record(nil, 1).Topic()).To(Equal("numbers"))
	})
})

var _ = Describe("A buffer", func() {
	var l *line
	var p *responder.Producer
	BeforeEach(func() {
		l = &line{}
		p = responder.NewProducer(l)
	})

	It("sends when there are enough, and keeps the rest", func() {
		b := p.Buffer(responder.BufferOptions{Threshold: 2})
		Expect(b.Add(numbers.Record(nil, 1))).To(Succeed())
		Expect(l.values()).To(BeEmpty())
		Expect(b.Add(numbers.Record(nil, 2), numbers.Record(nil, 3))).To(Succeed())
		Expect(l.values()).To(Equal([]string{"1", "2", "3"}))
		Expect(b.Add(numbers.Record(nil, 4))).To(Succeed())
		Expect(b.Discard()).To(Equal(1))
		l.answer(nil)
		Expect(b.Flush(ctx)).To(Succeed())
		Expect(l.values()).To(HaveLen(3))
	})

	It("sends what has waited long enough", func() {
		b := p.Buffer(responder.BufferOptions{Interval: time.Millisecond})
		Expect(b.Add(numbers.Record(nil, 1))).To(Succeed())
		Eventually(l.values).Should(Equal([]string{"1"}))
		l.answer(nil)
		Expect(b.Close(ctx)).To(Succeed())
		Expect(b.Add(numbers.Record(nil, 1))).To(MatchError(responder.ErrProducerClosed))
	})

	It("is flushed with the producer", func() {
		b := p.Buffer(responder.BufferOptions{})
		Expect(b.Add(numbers.Record(nil, 1))).To(Succeed())
		Expect(p.Close(ctx)).To(Succeed())
		Expect(l.values()).To(Equal([]string{"1"}))
		Expect(b.Add(numbers.Record(nil, 1))).To(MatchError(responder.ErrProducerClosed))
	})

	It("returns failures with the next flush, or tells of them", func() {
		b := p.Buffer(responder.BufferOptions{Threshold: 1})
		Expect(b.Add(numbers.Record(nil, 1))).To(Succeed())
		l.answer(errBoom)
		Expect(b.Flush(ctx)).To(MatchError(errBoom))
		Expect(b.Flush(ctx)).To(Succeed())
		told := make(chan *responder.SendError, 1)
		b = p.Buffer(responder.BufferOptions{Threshold: 1, OnError: func(err *responder.SendError) { told <- err }})
		Expect(b.Add(numbers.Record(nil, 1))).To(Succeed())
		l.answer(errBoom)
		Eventually(told).Should(Receive(MatchError(errBoom)))
		Expect(b.Flush(ctx)).To(Succeed())
	})

	It("takes no record that does not encode", func() {
		b := p.Buffer(responder.BufferOptions{})
		bad := responder.JSONTopic[func()]("bad").Record(nil, func() {})
		Expect(b.Add(numbers.Record(nil, 1), bad)).To(MatchError(ContainSubstring(`encode json value for topic "bad"`)))
		Expect(b.Discard()).To(BeZero())
	})
})

var _ = Describe("A transaction", func() {
	var clients []*line
	var p *responder.Producer
	BeforeEach(func() {
		clients = nil
		p = responder.NewProducer(&line{}, responder.Transactions(func() (responder.TransactionalClient, error) {
			clients = append(clients, &line{})
			return clients[len(clients)-1], nil
		}))
	})
	one := func(tx *responder.Tx) error { return tx.Send(numbers.Record(nil, 1)) }

	It("commits what was sent", func() {
		Expect(p.Transaction(ctx, one)).To(Succeed())
		Expect(p.Transaction(ctx, one)).To(Succeed())
		Expect(clients).To(HaveLen(1))
		Expect(clients[0]).To(And(HaveField("Committed", 2), HaveField("Aborted", 0)))
	})

	It("aborts when its function fails or panics", func() {
		var kept *responder.Tx
		Expect(p.Transaction(ctx, func(tx *responder.Tx) error {
			kept = tx
			return errors.Join(one(tx), errBoom)
		})).To(MatchError(errBoom))
		Expect(func() { _ = p.Transaction(ctx, func(*responder.Tx) error { panic("boom") }) }).To(PanicWith("boom"))
		Expect(clients[0]).To(And(HaveField("Committed", 0), HaveField("Aborted", 2)))
		Expect(kept.Send(numbers.Record(nil, 1))).To(MatchError(responder.ErrTxOver))
	})

	It("aborts when a record fails, and takes no more", func() {
		Expect(p.Transaction(ctx, func(tx *responder.Tx) error {
			Expect(one(tx)).To(Succeed())
			clients[0].answer(errBoom)
			return one(tx)
		})).To(MatchError(errBoom))
		Expect(clients[0].Aborted).To(Equal(1))
	})

	It("goes on with a new client after a failure that the old one cannot go on from", func() {
		Expect(p.Transaction(ctx, func(tx *responder.Tx) error {
			clients[0].endErr = kerr.InvalidProducerEpoch
			return one(tx)
		})).To(MatchError(kerr.InvalidProducerEpoch))
		Expect(clients[0].closed).To(BeTrue())
		Expect(p.Transaction(ctx, one)).To(Succeed())
		Expect(clients).To(HaveLen(2))
		Expect(clients[1].Committed).To(Equal(1))
		Expect(p.Close(ctx)).To(Succeed())
		Expect(clients[1].closed).To(BeTrue())
		Expect(p.Transaction(ctx, one)).To(MatchError(responder.ErrProducerClosed))
	})

	It("takes turns", func() {
		inside, leave := make(chan struct{}), make(chan struct{})
		first := make(chan error, 1)
		go func() {
			first <- p.Transaction(ctx, func(*responder.Tx) error {
				close(inside)
				<-leave
				return nil
			})
		}()
		Eventually(inside).Should(BeClosed())
		ended, cancel := context.WithCancel(ctx)
		cancel()
		Expect(p.Transaction(ended, one)).To(MatchError(context.Canceled))
		close(leave)
		Eventually(first).Should(Receive(BeNil()))
	})

	It("needs a transactional id", func() {
		Expect(responder.NewProducer(&line{}).Transaction(ctx, one)).To(MatchError(responder.ErrNoTransactions))
	})
})
