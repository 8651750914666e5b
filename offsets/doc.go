// Package offsets names who moves the offset of a route, and when.
//
// A route that says nothing is [Automatic]: a record counts as consumed when its handler has
// returned nil and its outputs are acknowledged. A route drawn with ManualOffsets is [Manual]:
// its handler marks.
//
//	func (a *Audit) Handle(ctx context.Context, m *consumer.Message) error {
//		if err := a.store(ctx, m); err != nil {
//			return err
//		}
//		return m.MarkThrough() // this record and all before it
//	}
//
// # In your own database
//
// A route drawn with ExternalOffsets is [External]: its offset is kept in a [Store], where the results are. The engine begins a unit of
// work before the middleware of a delivery, the handler finds it in its context and writes, and the offset is committed with what it wrote.
// Package sqlstore does it with database/sql:
//
//	func (l *Ledger) Book(ctx context.Context, m *consumer.Typed[Transfer]) error {
//		tx, err := sqlstore.Tx(ctx)
//		if err != nil {
//			return err
//		}
//		_, err = tx.ExecContext(ctx, "UPDATE balances SET cents = cents + $1 WHERE account = $2", m.Payload.Cents, m.Payload.Account)
//		return err
//	}
//
//	g.Topic("transfers").Each(consumer.JSON(l.Book)).ExternalOffsets(store)
package offsets
