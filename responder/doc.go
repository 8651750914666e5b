// Package responder writes results to topics: consume, compute, produce.
//
// A responder is a handler that declares its outputs. It reads a payload and writes answers, as an http.Handler does:
//
//	var OrdersPriced = responder.JSONTopic[Priced]("orders.priced")
//
//	func (p *Pricer) Price(ctx context.Context, w *responder.Writer, o *consumer.Typed[Order]) error {
//		cents, err := p.prices.Cents(ctx, o.Payload.SKU)
//		if err != nil {
//			return err // nothing is written
//		}
//		return OrdersPriced.Send(w, o.Key, Priced{ID: o.Payload.ID, Cents: cents})
//	}
//
//	g.Topic("orders.created").Each(responder.JSON(p.Price, OrdersPriced.Required()))
//
// Outputs leave when the handler returned nil. The record that caused them is marked only after the broker has acknowledged all of
// them, with acks=all and an idempotent producer; a process that dies in between produces them again. An output that
// the broker refuses fails its record.
package responder
