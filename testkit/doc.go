// Package testkit tests handlers, routes and whole applications.
//
// [New] runs routes on the real engine without a broker and in virtual time: a test delivers messages, lets minutes of back-off pass in
// microseconds, takes partitions away, and looks at what came of each record.
//
//	func TestPricing(t *testing.T) {
//		k := testkit.New(t, Routes(&Pricer{}))
//		order := k.Deliver("orders.created", testkit.JSON(Order{ID: "1", SKU: "TEA"}).Key("1"))
//		NewWithT(t).Expect(order).To(testkit.HaveResponded(OrdersPriced, Priced{ID: "1", Cents: 640}))
//	}
//
// [Cluster] runs them on the embedded broker, or on the one that the environment variable KARAFGO_TEST_BROKERS names. [NewDouble] makes
// messages to call a handler with and nothing else. [NewStore] is a store for routes with ExternalOffsets, and [CheckStore] the suite for
// stores that programs write. [GoldenRoutes] compares what is drawn with a file.
//
// The matchers fit Gomega, and [Check] runs them without it. The package imports neither.
package testkit
