package middleware_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/middleware"
	"github.com/karafgo/karafgo/offsets"
)

var _ = Describe("Log", func() {
	run := func(ctx context.Context, level slog.Level, err error, opts ...middleware.LogOption) string {
		GinkgoHelper()
		var out bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: level}))
		h := consumer.Chain(consumer.BatchHandlerFunc(func(context.Context, *consumer.Batch) error { return err }), middleware.Log(append(opts, middleware.Logger(logger))...))
		m := consumer.NewMessage(&kgo.Record{Topic: "orders", Partition: 2, Offset: 7, Key: []byte("secret"), Value: []byte("secret")}, nil)
		got := h.HandleBatch(ctx, consumer.NewBatch([]consumer.Message{m}))
		if err == nil {
			Expect(got).NotTo(HaveOccurred())
		} else {
			Expect(got).To(BeIdenticalTo(err))
		}
		Expect(out.String()).NotTo(ContainSubstring("secret"))
		return out.String()
	}

	It("logs success at debug", func() {
		Expect(run(context.Background(), slog.LevelInfo, nil)).To(BeEmpty())
		Expect(run(context.Background(), slog.LevelDebug, nil)).To(And(ContainSubstring("level=DEBUG msg=handled topic=orders partition=2 offset=7 attempt=1"), ContainSubstring("elapsed=")))
	})

	warns := middleware.Levels(slog.LevelDebug, slog.LevelWarn)

	It("logs failure at debug, because the framework warns, or at another level", func() {
		line := `msg="handler failed" topic=orders partition=2 offset=7 attempt=1 error=boom`
		Expect(run(context.Background(), slog.LevelInfo, errors.New("boom"))).To(BeEmpty())
		Expect(run(context.Background(), slog.LevelDebug, errors.New("boom"))).To(ContainSubstring("level=DEBUG " + line))
		Expect(run(context.Background(), slog.LevelInfo, errors.New("boom"), warns)).To(ContainSubstring("level=WARN " + line))
	})

	It("does not call an interrupted handler failed", func() {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(offsets.ErrRevoked)
		Expect(run(ctx, slog.LevelInfo, context.Canceled, warns)).To(BeEmpty())
		Expect(run(ctx, slog.LevelDebug, context.Canceled)).To(ContainSubstring("handler interrupted"))
	})
	It("does not call a stopped handler failed, but one that ran out of time", func() {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(offsets.ErrStopping)
		Expect(run(ctx, slog.LevelInfo, context.Canceled, warns)).To(BeEmpty())
		Expect(run(ctx, slog.LevelDebug, nil)).To(ContainSubstring("msg=handled"), "it made it nevertheless")

		ctx, cancel = context.WithCancelCause(context.Background())
		cancel(context.DeadlineExceeded)
		Expect(run(ctx, slog.LevelInfo, context.Canceled, warns)).To(ContainSubstring("handler failed"))
	})

	It("does not call a postponed delivery failed", func() {
		err := consumer.Postpone(time.Second, errors.New("boom"))
		Expect(run(context.Background(), slog.LevelInfo, err, warns)).To(BeEmpty())
		Expect(run(context.Background(), slog.LevelDebug, err)).To(ContainSubstring(`msg="delivery postponed" topic=orders partition=2 offset=7 attempt=1 error=boom`))
	})

	It("hands on without a line when both levels are off", func() {
		Expect(run(context.Background(), slog.LevelError, errors.New("boom"), warns)).To(BeEmpty())
	})
})
