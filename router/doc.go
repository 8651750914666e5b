// Package router draws which topics a program consumes, with which handlers, and what happens when they fail.
//
//	func Routes(p *Pricer, x *Indexer) router.Drawer {
//		return func(r *router.Router) {
//			r.Group("pricing", func(g *router.Group) {
//				g.Topic("orders.created").
//					Each(responder.JSON(p.Price, OrdersPriced.Required())).
//					OnFailure(router.Retry(3, 100*time.Millisecond), router.Skip)
//			})
//			r.Group("search", func(g *router.Group) {
//				g.Topic("orders.priced").Batch(consumer.JSONBatch(x.Index), 500, time.Second)
//			})
//		}
//	}
//
// Routes are drawn, checked together ([Draw]), and then do not change: a [Table] is what the engine runs and what `routes`
// prints. Every mistake is reported, each with the file and line where it was drawn.
//
// # What goes together
//
// [Draw] refuses what cannot hold its promise. Of consuming mode, limit and offsets all combinations are legal, but for:
//
//	BatchFetching(false)   with Batch of more than one     a poll returns one record
//	OnFailure(Retry(n))    without an end                  after n retries something has to happen
//	AtMostOnce             with Retry or Block             a record has one attempt
//	AtMostOnce             with a responder                outputs are acknowledged before their record is marked
//	AtMostOnce             with ManualOffsets              the offset is moved before or by the handler, not both
//	ExternalOffsets        with ByKey or Unordered         a store keeps one offset for a partition
//	ExternalOffsets        with a responder                outputs cannot be committed with the store's unit of work
//	ExternalOffsets        with ManualOffsets, AtMostOnce  the offset is moved with what the handler stores
//	ReuseRecords           with ManualOffsets              a message that is marked later must be valid until then
package router
