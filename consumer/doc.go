// Package consumer is the vocabulary of handlers: what they receive and what they answer.
//
// A handler is a plain method or function. The smallest one reads a JSON payload:
//
//	func (m *Mailer) Mail(ctx context.Context, o *consumer.Typed[Order]) error {
//		return m.send(ctx, o.Payload.Customer)
//	}
//
//	g.Topic("orders.created").Each(consumer.JSON(mailer.Mail))
//
// [Handler] takes one record at a time, [BatchHandler] takes the next records of one partition in offset
// order. Both see the record as it came: [Message] embeds *kgo.Record. [JSON], [Value], [JSONBatch] and
// [Decoded] put types on top.
//
// What a handler returns is its verdict. nil means done. An error goes the way that the route's
// OnFailure draws. [Permanent], [Skip], [RetryAfter] and [FailedAt] say more.
package consumer
