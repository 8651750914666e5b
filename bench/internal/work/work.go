// Package work says what clients are asked to do, and what they say of it.
package work

import "time"

// Handlers of records.
const (
	Look    = "look"    // looks at the length of the value and at the offset
	JSON    = "json"    // decodes the value into an Order
	Sleep   = "sleep"   // sleeps
	Latency = "latency" // takes the time since the record was produced, which the value begins with

	Transform = "transform" // writes the value, with its last byte changed, to Output with the same key
	Produce   = "produce"   // consumes nothing: writes Ends records to Output
	Transact  = "transact"  // Transform exactly once: outputs and offsets are in transactions, one every Interval

	Store      = "store"       // adds to a row of Database, with the offset, in a transaction for each record
	StoreBatch = "store-batch" // the same for up to 500 records
)

// When a client ends.
const (
	AtEnd      = "end"        // after the last of the records that were there
	AfterSleep = "after"      // After has passed since its first record
	AfterCount = "count"      // it has had Count records
	Partitions = "partitions" // it has had records of Count partitions
	Told       = "told"       // its standard input ends: all that it should write is in Output
)

// Own reports whether clients have a variant of their own for a handler, named after both: "raw-kgo:transform". For all others they
// consume, and call what all have in common.
func Own(handler string) bool {
	switch handler {
	case Transform, Produce, Transact, Store, StoreBatch:
		return true
	}
	return false
}

// Job is what a client process is asked to do, in JSON, as its argument.
type Job struct {
	Variant string        `json:"variant"`
	Brokers []string      `json:"brokers"`
	Topics  []string      `json:"topics"`
	Group   string        `json:"group"`
	Ends    []int64       `json:"ends"` // of the partitions of every topic
	Handler string        `json:"handler"`
	Sleep   time.Duration `json:"sleep"`
	Until   string        `json:"until"`
	After   time.Duration `json:"after"`
	Count   int           `json:"count"`
	Profile string        `json:"profile,omitempty"`
	// Output is the topic that outputs go to, and Size how long the values are that are made for it.
	Output string `json:"output,omitempty"`
	Size   int    `json:"size,omitempty"`
	// Interval is how long a transaction of Transact takes before it is committed.
	Interval time.Duration `json:"interval,omitempty"`
	// Database is the file that Store and StoreBatch write to.
	Database string `json:"database,omitempty"`
	// SlowEvery makes every so manieth record take Slow instead of Sleep. Spread makes it take any time up to Sleep. FailKey fails the
	// records of a key, always.
	SlowEvery int64         `json:"slow_every,omitempty"`
	Slow      time.Duration `json:"slow,omitempty"`
	Spread    bool          `json:"spread,omitempty"`
	FailKey   string        `json:"fail_key,omitempty"`
	// AtOnce is how many handlers may run at once, where a client can do that.
	AtOnce int `json:"at_once,omitempty"`
	// GroupPerTopic makes a group for every topic, named by Group and its number.
	GroupPerTopic bool `json:"group_per_topic"`
	// Announce writes a byte to standard output when the client has had records of so many partitions.
	Announce int `json:"announce"`
}

// Sample is what a client process says, in JSON, on its standard output.
type Sample struct {
	Records    int64         `json:"records"`
	First      time.Duration `json:"first"`      // from the start of the process to the first record
	Span       time.Duration `json:"span"`       // from the first record to the last
	Close      time.Duration `json:"close"`      // from the last record to the end of a clean close
	CPU        time.Duration `json:"cpu"`        // user and system time from before the client was made until it was closed
	IdleCPU    time.Duration `json:"idle_cpu"`   // the same between the last preloaded record and the close
	IdleSpan   time.Duration `json:"idle_span"`  // how long that was
	Mallocs    uint64        `json:"mallocs"`    // of the Go heap
	RSS        float64       `json:"rss_mib"`    // at its peak
	Latencies  []float64     `json:"latencies"`  // milliseconds, in the order taken
	Checksum   int64         `json:"checksum"`   // keeps the compiler from leaving the work out
	Partitions int           `json:"partitions"` // how many it had records of
}

// Order is what JSON decodes.
type Order struct {
	ID       string  `json:"id"`
	Customer string  `json:"customer"`
	Amount   float64 `json:"amount"`
	Lines    []Line  `json:"lines"`
}

// Line of an Order.
type Line struct {
	SKU      string `json:"sku"`
	Quantity int    `json:"quantity"`
}
