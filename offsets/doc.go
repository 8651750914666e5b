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
package offsets
