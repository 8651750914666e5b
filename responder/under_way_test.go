package responder_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
)

// narrow is a line with room for so many records: Produce waits for more, as a client does whose buffer is full.
type narrow struct {
	line

	places chan struct{}
	full   chan struct{} // closed when somebody waits
	once   sync.Once

	ctxs []context.Context
}

func newNarrow(places int) *narrow {
	return &narrow{places: make(chan struct{}, places), full: make(chan struct{})}
}

func (n *narrow) Produce(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
	select {
	case n.places <- struct{}{}:
	default:
		n.once.Do(func() { close(n.full) })
		select {
		case n.places <- struct{}{}:
		case <-ctx.Done():
			promise(r, ctx.Err())
			return
		}
	}
	n.mu.Lock()
	n.ctxs = append(n.ctxs, ctx)
	n.mu.Unlock()
	n.line.Produce(ctx, r, func(r *kgo.Record, err error) {
		<-n.places
		promise(r, err)
	})
}

// Flush waits for ever, as one does while others send on and on.
func (n *narrow) Flush(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// unhurried is a client that takes its time to take a record.
type unhurried struct {
	line

	inside, release chan struct{}
	order           []string
}

func (u *unhurried) Produce(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
	close(u.inside)
	<-u.release
	u.note("sent")
	u.line.Produce(ctx, r, promise)
}

func (u *unhurried) EndTransaction(ctx context.Context, commit kgo.TransactionEndTry) error {
	u.note("ended")
	return u.line.EndTransaction(ctx, commit)
}

func (u *unhurried) note(what string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.order = append(u.order, what)
}

// ending is a context that ends when end is called, with errBoom.
func ending() (ended context.Context, end func()) {
	ended, cancel := context.WithCancelCause(ctx)
	return ended, func() { cancel(errBoom) }
}

var _ = Describe("A record under way", func() {
	It("stays under way when the context of its sender ends", func() {
		n := newNarrow(2)
		p := responder.NewProducer(n)
		short, end := ending()
		done := make(chan error, 1)
		go func() { done <- p.Send(short, numbers.Record([]byte("k"), 1)) }()
		Eventually(n.values).Should(HaveLen(1))
		end()
		var err error
		Eventually(done).Should(Receive(&err))
		Expect(err).To(MatchError(errBoom))
		var failed *responder.SendError
		Expect(errors.As(err, &failed)).To(BeTrue())
		Expect(failed.Key).To(Equal([]byte("k")))

		By("the client does not see that it ended, and would not fail what others sent to the partition")
		Expect(n.ctxs[0].Err()).NotTo(HaveOccurred())

		By("a flush waits for it")
		flushed := make(chan error, 1)
		go func() { flushed <- p.Flush(ctx) }()
		Expect(flushed).NotTo(Receive())
		n.answer(nil)
		Eventually(flushed).Should(Receive(BeNil()))
	})

	It("is not sent when its context has ended before, or while the buffer is full", func() {
		n := newNarrow(1)
		p := responder.NewProducer(n)
		first := p.SendAsync(ctx, numbers.Record(nil, 1))
		short, end := ending()
		done := make(chan error, 1)
		go func() { done <- p.Send(short, numbers.Record(nil, 2), numbers.Record(nil, 3)) }()
		Eventually(n.full).Should(BeClosed())
		end()
		Eventually(done).Should(Receive(MatchError(`send to topic "numbers": boom (2 records)`)))
		n.answer(nil)
		Eventually(first.Done()).Should(BeClosed())
		Expect(p.Close(ctx)).To(Succeed())
		Expect(n.values()).To(Equal([]string{"1"}))
	})

	It("may be sent again after it failed", func() {
		l := &line{}
		p := responder.NewProducer(l)
		r := numbers.Record(nil, 1, responder.Header("h", nil))
		f := p.SendAsync(consumer.OnOutput(ctx, func(_ context.Context, out *kgo.Record) {
			out.Headers = append(out.Headers, kgo.RecordHeader{Key: "traceparent"})
			out.Context = ctx // as the client sets it
		}), r)
		l.answer(kerr.NotEnoughReplicas)
		_, err := f.Wait(ctx)
		Expect(err).To(MatchError(kerr.NotEnoughReplicas))
		f = p.SendAsync(ctx, r)
		l.answer(nil)
		rec, err := f.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(rec.Headers).To(HaveLen(1), "the other was of the first attempt")
		Expect(rec.Context).To(BeNil(), "and so was its context")
	})

	It("gets what middleware adds to outputs, such as the context of a trace", func() {
		l := &line{}
		p := responder.NewProducer(l)
		traced := consumer.OnOutput(ctx, func(_ context.Context, out *kgo.Record) {
			out.Headers = append(out.Headers, kgo.RecordHeader{Key: "traceparent"})
		})
		f := p.SendAsync(traced, numbers.Record(nil, 1))
		l.answer(nil)
		rec, err := f.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(rec.Headers).To(ConsistOf(HaveField("Key", "traceparent")))
	})

	It("is known at once when it fails at once", func() {
		l := &line{}
		p := responder.NewProducer(l)
		f := p.SendAsync(ctx, responder.JSONTopic[func()]("bad").Record(nil, func() {}))
		Expect(f.Done()).To(BeClosed())
		var none responder.Record
		Expect(none.Topic()).To(BeEmpty())
		f = p.SendAsync(ctx, none) // of no topic; a client refuses it
		l.answer(errBoom)
		_, err := f.Wait(ctx)
		Expect(err).To(MatchError(errBoom))
	})

	It("is not waited for when it was sent after the flush began", func() {
		n := newNarrow(10)
		p := responder.NewProducer(n)
		p.SendAsync(ctx, numbers.Record(nil, 0))
		flushed := make(chan error, 1)
		go func() { flushed <- p.Flush(ctx) }()
		Eventually(func() chan error { // there is always one under way
			n.mu.Lock()
			before := n.waiting
			n.waiting = nil
			n.mu.Unlock()
			p.SendAsync(ctx, numbers.Record(nil, 1))
			for _, answer := range before {
				answer(nil)
			}
			return flushed
		}).Should(Receive(BeNil()))
		n.answer(nil)
	})

	It("is counted when Close gives it up", func() {
		n := newNarrow(1)
		p := responder.NewProducer(n)
		sent := p.SendAsync(ctx, numbers.Record(nil, 1))
		b := p.Buffer(responder.BufferOptions{})
		Expect(b.Add(numbers.Record(nil, 2), numbers.Record(nil, 3))).To(Succeed())
		short, end := ending()
		closed := make(chan error, 1)
		go func() { closed <- p.Close(short) }()
		Eventually(n.full).Should(BeClosed())
		end()
		var err error
		Eventually(closed).Should(Receive(&err))
		Expect(err).To(MatchError(And(ContainSubstring("2 records are not acknowledged yet: boom"),
			ContainSubstring(`send to topic "numbers": boom`))), "one waited for room")
		n.answer(nil)
		Eventually(sent.Done()).Should(BeClosed())
	})
})

var _ = Describe("A buffer that many use", func() {
	It("sends everything once, and in order", func() {
		n := newNarrow(64)
		p := responder.NewProducer(n)
		b := p.Buffer(responder.BufferOptions{Threshold: 7, Interval: 1})
		const writers, each = 8, 200
		answering, stop := context.WithCancel(ctx)
		var answerer, all sync.WaitGroup
		answerer.Go(func() {
			for answering.Err() == nil {
				n.answer(nil)
			}
		})
		for w := range writers {
			all.Go(func() {
				defer GinkgoRecover()
				for i := range each {
					Expect(b.Add(words.Record(nil, fmt.Sprint(w, ":", i)))).To(Succeed())
					if i%50 == 0 {
						Expect(b.Flush(ctx)).To(Succeed())
					}
				}
			})
		}
		all.Wait()
		Expect(b.Close(ctx)).To(Succeed())
		stop()
		answerer.Wait()
		next := map[string]int{}
		for _, v := range n.values() {
			w, i, _ := strings.Cut(strings.Trim(v, `"`), ":")
			Expect(i).To(Equal(strconv.Itoa(next[w])), v)
			next[w]++
		}
		Expect(n.values()).To(HaveLen(writers * each))
	})

	It("loses nothing to a Close at the same time", func() {
		for range 50 {
			l := &line{}
			p := responder.NewProducer(l)
			b := p.Buffer(responder.BufferOptions{})
			var adding sync.WaitGroup
			taken := make([]bool, 4)
			start := make(chan struct{})
			for i := range taken {
				adding.Go(func() {
					<-start
					taken[i] = b.Add(numbers.Record(nil, i)) == nil
				})
			}
			close(start)
			Expect(p.Close(ctx)).To(Succeed())
			adding.Wait()
			var want []string
			for i, ok := range taken {
				if ok {
					want = append(want, strconv.Itoa(i))
				}
			}
			Expect(l.values()).To(ConsistOf(want))
		}
	})

	It("does not hold up a flush whose context ends, and keeps what was not sent", func() {
		n := newNarrow(1)
		p := responder.NewProducer(n)
		b := p.Buffer(responder.BufferOptions{Threshold: 2})
		adding := make(chan error, 1)
		go func() { adding <- b.Add(numbers.Record(nil, 1), numbers.Record(nil, 2)) }() // waits for room for the second
		Eventually(n.full).Should(BeClosed())
		Expect(b.Add(numbers.Record(nil, 3))).To(Succeed())
		short, end := ending()
		end()
		Expect(b.Flush(short)).To(MatchError(errBoom))
		Expect(b.Close(short)).To(MatchError(errBoom))
		Expect(b.Add(numbers.Record(nil, 4))).To(MatchError(responder.ErrProducerClosed))
		closed := make(chan error, 1)
		go func() { closed <- p.Close(ctx) }()
		Eventually(func() []string {
			n.answer(nil)
			return n.values()
		}).Should(Equal([]string{"1", "2", "3"}))
		n.answer(nil)
		Eventually(closed).Should(Receive(BeNil()))
		Expect(adding).To(Receive(BeNil()))
	})

	It("tells failures outside of the client's promises, one after the other, so that they may be sent elsewhere", func() {
		n := newNarrow(3)
		p := responder.NewProducer(n)
		var elsewhere []error
		b := p.Buffer(responder.BufferOptions{Threshold: 3, OnError: func(err *responder.SendError) {
			elsewhere = append(elsewhere, p.Send(ctx, responder.NewRecord("elsewhere", err.Key, nil)))
		}})
		Expect(b.Add(numbers.Record(nil, 1), numbers.Record(nil, 2), numbers.Record(nil, 3))).To(Succeed())
		n.answer(errBoom)
		flushed := make(chan error, 1)
		go func() { flushed <- b.Flush(ctx) }()
		Eventually(func() chan error {
			n.answer(nil)
			return flushed
		}).Should(Receive(BeNil()))
		Expect(elsewhere).To(HaveExactElements(BeNil(), BeNil(), BeNil()))
	})
})

var _ = Describe("A transaction and others", func() {
	var client *line
	var p *responder.Producer
	BeforeEach(func() {
		client = &line{}
		p = responder.NewProducer(&line{}, responder.Transactions(func() (responder.TransactionalClient, error) { return client, nil }))
	})

	It("ends when nobody sends in it any more: what came later would be the next one's", func() {
		slow := &unhurried{inside: make(chan struct{}), release: make(chan struct{})}
		p := responder.NewProducer(&line{}, responder.Transactions(func() (responder.TransactionalClient, error) { return slow, nil }))
		var late sync.WaitGroup
		Expect(p.Transaction(ctx, func(tx *responder.Tx) error {
			late.Go(func() { _ = tx.Send(numbers.Record(nil, 1)) })
			<-slow.inside
			time.AfterFunc(10*time.Millisecond, func() { close(slow.release) })
			return nil
		})).To(Succeed())
		late.Wait()
		Expect(slow.order).To(Equal([]string{"sent", "ended"}))
	})

	It("may end while the Producer is closed, and is closed by itself when that takes too long", func() {
		inside, leave := make(chan struct{}), make(chan struct{})
		result := make(chan error, 1)
		go func() {
			result <- p.Transaction(ctx, func(tx *responder.Tx) error {
				close(inside)
				<-leave
				return tx.Send(numbers.Record(nil, 1))
			})
		}()
		Eventually(inside).Should(BeClosed())
		short, end := ending()
		end()
		Expect(p.Close(short)).To(MatchError("wait for a transaction in progress: boom"))
		Expect(client.closed).To(BeFalse())
		close(leave)
		Eventually(result).Should(Receive(BeNil()))
		Expect(client.closed).To(BeTrue())
		Expect(client.Committed).To(Equal(1))
	})

	It("says why its context ended", func() {
		short, end := ending()
		Expect(p.Transaction(short, func(tx *responder.Tx) error {
			end()
			return tx.Send(numbers.Record(nil, 1))
		})).To(MatchError(errBoom))
		Expect(client.Aborted).To(Equal(1))
	})
})
