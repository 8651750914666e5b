package orders

import (
	"context"
	"log/slog"

	"github.com/karafgo/karafgo/consumer"
)

// Refunds handles what comes in by RefundsTopic.
type Refunds struct{ log *slog.Logger }

// NewRefunds makes the handler. Its parameters are injected: what it needs becomes one, which main provides.
func NewRefunds() *Refunds { return &Refunds{log: slog.Default()} }

// Handle handles the next records of one partition, in the order of their offsets. They may come again after a crash, so what is done here
// must bear that. Where one fails, return consumer.FailedAt(m.Message, err): those before it count.
func (h *Refunds) Handle(ctx context.Context, b *consumer.TypedBatch[Refund]) error {
	h.log.InfoContext(ctx, "refunds", "records", b.Len(), "last", b.Last().Offset)
	return nil
}
