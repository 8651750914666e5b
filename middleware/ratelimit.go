package middleware

import (
	"context"
	"fmt"

	"golang.org/x/time/rate"

	"github.com/karafgo/karafgo/consumer"
)

// RateLimit waits for a token of the limiter for every record, before each attempt, while the delivery keeps its place among the handlers
// that run at once: it is for what handlers must share, such as the quota of a service. To slow a route down use its Throttle, which
// holds no place. A batch takes as many tokens as it has records, and more than the limiter's burst one burst after the other.
func RateLimit(limiter *rate.Limiter) consumer.Middleware {
	return func(next consumer.BatchHandler) consumer.BatchHandler {
		return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
			for left := b.Len(); left > 0; {
				n := left
				if burst := limiter.Burst(); limiter.Limit() != rate.Inf && burst > 0 {
					n = min(n, burst)
				}
				if err := limiter.WaitN(ctx, n); err != nil {
					return fmt.Errorf("wait for the rate limit: %w", err)
				}
				left -= n
			}
			return next.HandleBatch(ctx, b)
		})
	}
}
