package middleware

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/offsets"
)

type logOptions struct {
	logger  *slog.Logger
	success slog.Level
	failure slog.Level
}

// LogOption adds to [Log].
type LogOption func(*logOptions)

// Logger uses l. Defaults to slog.Default().
func Logger(l *slog.Logger) LogOption { return func(o *logOptions) { o.logger = l } }

// Levels sets the levels of deliveries that succeed and that fail. Defaults to
// slog.LevelDebug for both: a program of package framework writes a warning for each failure by itself.
func Levels(success, failure slog.Level) LogOption {
	return func(o *logOptions) { o.success, o.failure = success, failure }
}

// Log writes a line per delivery: topic, partition, offsets and attempt, the duration of one that succeeded and the error of one that
// failed, never keys or payloads. A handler that was interrupted by a revoke or a stop has not failed, nor has one that was postponed: its
// line has the level of success. A level that is switched off costs two nanoseconds.
func Log(opts ...LogOption) consumer.Middleware {
	o := logOptions{success: slog.LevelDebug, failure: slog.LevelDebug}
	for _, opt := range opts {
		opt(&o)
	}
	return func(next consumer.BatchHandler) consumer.BatchHandler {
		return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
			logger := o.logger
			if logger == nil {
				logger = slog.Default()
			}
			logSuccess := logger.Enabled(ctx, o.success)
			if !logSuccess && !logger.Enabled(ctx, o.failure) {
				return next.HandleBatch(ctx, b)
			}
			var started time.Time
			if logSuccess {
				started = time.Now()
			}
			err := next.HandleBatch(ctx, b)
			switch {
			case err == nil && logSuccess:
				logger.LogAttrs(ctx, o.success, "handled", append(attrs(b), slog.Duration("elapsed", time.Since(started)))...)
			case err == nil:
			case errors.Is(context.Cause(ctx), offsets.ErrRevoked), errors.Is(context.Cause(ctx), offsets.ErrStopping):
				logger.LogAttrs(ctx, o.success, "handler interrupted", append(attrs(b), slog.Any("error", context.Cause(ctx)))...)
			case consumer.VerdictOf(err).Kind == consumer.KindPostpone:
				logger.LogAttrs(ctx, o.success, "delivery postponed", append(attrs(b), slog.Any("error", err))...)
			default:
				logger.LogAttrs(ctx, o.failure, "handler failed", append(attrs(b), slog.Any("error", err))...)
			}
			return err
		})
	}
}

func attrs(b *consumer.Batch) []slog.Attr {
	first := b.First()
	list := []slog.Attr{
		slog.String("topic", first.Topic),
		slog.Int64("partition", int64(first.Record.Partition)),
		slog.Int64("offset", first.Offset),
		slog.Int("attempt", first.Attempt()),
	}
	if b.Len() > 1 {
		list = append(list, slog.Int64("last_offset", b.Last().Offset), slog.Int("records", b.Len()))
	}
	return list
}
