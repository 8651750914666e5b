package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/consumer"
)

// foreign is a joined error of another package, which may hold nil.
type foreign []error

func (foreign) Error() string     { return "foreign" }
func (f foreign) Unwrap() []error { return f }

var _ = Describe("VerdictOf", func() {
	m, other := message(7, "x"), message(8, "y")
	permanent := consumer.Verdict{Kind: consumer.KindPermanent}

	DescribeTable("of nested verdicts takes the outermost", func(err error, want consumer.Verdict) {
		Expect(consumer.VerdictOf(err)).To(Equal(want))
	},
		Entry("skip in permanent", consumer.Permanent(consumer.Skip(errBoom)), permanent),
		Entry("permanent in skip", consumer.Skip(consumer.Permanent(errBoom)), consumer.Verdict{Kind: consumer.KindSkip}),
		Entry("with a wrap between", consumer.RetryAfter(time.Minute, fmt.Errorf("x: %w", consumer.Skip(errBoom))),
			consumer.Verdict{Kind: consumer.KindRetryAfter, After: time.Minute}),
		Entry("postponed at a position", consumer.Postpone(time.Minute, consumer.FailedAt(&m, consumer.Permanent(errBoom))),
			consumer.Verdict{Kind: consumer.KindPostpone, After: time.Minute, At: &m}),
		Entry("position in permanent", consumer.Permanent(consumer.FailedAt(&m, errBoom)), consumer.Verdict{Kind: consumer.KindPermanent, At: &m}),
		Entry("position in position", consumer.FailedAt(&m, consumer.FailedAt(&other, errBoom)), consumer.Verdict{At: &m}),
		Entry("a panic with a verdict", &consumer.PanicError{Value: consumer.Permanent(errBoom)}, permanent),
	)

	DescribeTable("of joined errors takes what all parts say", func(err error, want consumer.Verdict) {
		Expect(consumer.VerdictOf(err)).To(Equal(want))
	},
		Entry("one part", errors.Join(nil, consumer.Permanent(errBoom)), permanent),
		Entry("parts that agree", errors.Join(consumer.Permanent(errBoom), consumer.Permanent(errors.New("other"))), permanent),
		Entry("permanent, then plain", errors.Join(consumer.Permanent(errBoom), errBoom), consumer.Verdict{}),
		Entry("plain, then permanent", errors.Join(errBoom, consumer.Permanent(errBoom)), consumer.Verdict{}),
		Entry("several verbs", fmt.Errorf("%w: %w", errBoom, consumer.Skip(errBoom)), consumer.Verdict{}),
		Entry("other delays", errors.Join(consumer.RetryAfter(1, errBoom), consumer.RetryAfter(2, errBoom)), consumer.Verdict{}),
		Entry("two positions", errors.Join(consumer.FailedAt(&m, errBoom), consumer.FailedAt(&other, errBoom)), consumer.Verdict{}),
		Entry("joins in joins", errors.Join(errors.Join(consumer.Skip(errBoom)), fmt.Errorf("x: %w", consumer.Skip(errBoom))), consumer.Verdict{Kind: consumer.KindSkip}),
		Entry("a verdict around", consumer.Permanent(errors.Join(errBoom, consumer.Skip(errBoom))), permanent),
		Entry("a position around", consumer.FailedAt(&m, errors.Join(consumer.Permanent(errBoom), errBoom)), consumer.Verdict{At: &m}),
		Entry("nil among the parts", foreign{nil, consumer.Permanent(errBoom), nil}, permanent),
		Entry("no parts", foreign{}, consumer.Verdict{}),
	)

	It("keeps text and cause of what a verdict wraps", func() {
		for _, err := range []error{consumer.Permanent(errBoom), consumer.Skip(errBoom), consumer.RetryAfter(1, errBoom), consumer.Postpone(1, errBoom)} {
			Expect(err).To(MatchError("boom"))
			Expect(err).To(MatchError(errBoom))
		}
	})

	It("reads a failure without a message as one of the whole batch", func() {
		err := consumer.FailedAt(nil, consumer.Permanent(errBoom))
		Expect(err).To(MatchError("boom"))
		Expect(consumer.VerdictOf(err)).To(Equal(permanent))
	})
})

var _ = Describe("PanicError", func() {
	It("tells the value and not the stack", func() {
		Expect(&consumer.PanicError{Value: 42, Stack: []byte("stack")}).To(MatchError("handler panicked: 42"))
		Expect(&consumer.PanicError{}).To(MatchError("handler called runtime.Goexit"))
	})

	It("wraps a value that is an error, and nothing else", func() {
		Expect(errors.Unwrap(&consumer.PanicError{Value: context.Canceled})).To(Equal(context.Canceled))
		Expect(errors.Unwrap(&consumer.PanicError{Value: "text"})).To(Succeed())
		Expect(errors.Unwrap(&consumer.PanicError{})).To(Succeed())
	})
})
