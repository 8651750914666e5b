package orders

import (
	"context"
	"log/slog"

	"github.com/karafgo/karafgo/consumer"
)

// Invoices handles what comes in by OrdersPaid.
type Invoices struct{ log *slog.Logger }

// NewInvoices makes the handler. Its parameters are injected: what it needs becomes one, which main provides.
func NewInvoices() *Invoices { return &Invoices{log: slog.Default()} }

// Handle handles one record. It may come again after a crash, so what is done here must bear that. m.Payload is what it holds.
func (h *Invoices) Handle(ctx context.Context, m *consumer.Typed[Paid]) error {
	h.log.InfoContext(ctx, "invoices", "partition", m.Partition, "offset", m.Offset)
	return nil
}
