package orders

import (
	"context"

	"github.com/karafgo/karafgo/consumer"
)

// Audit is middleware: it runs around every attempt. Routes that take one record at a time hand over batches of one.
func Audit() consumer.Middleware {
	return func(next consumer.BatchHandler) consumer.BatchHandler {
		return consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
			// What comes before the handler stands here. What need not be handled is taken out by b.Skip.
			err := next.HandleBatch(ctx, b)
			// What comes after it stands here. The error goes on as it is: by it the route decides about the record.
			return err
		})
	}
}
