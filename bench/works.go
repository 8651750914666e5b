package main

import (
	"slices"
	"time"

	"github.com/karafgo/karafgo/bench/internal/work"
)

// raw is what all others are compared with.
const raw = "raw-kgo"

// ours is the program whose clients are karafgo.
const ours = "karafgo"

// byKey is the client that handles records of one partition at the same time.
const byKey = "karafgo-by-key"

// perPartition is the client that handles one record of a partition after the other.
const perPartition = "karafgo-each"

// contender is a client: a variant of a program under clients.
type contender struct {
	Name    string
	Program string
	Decodes bool     // leaves the decoding of JSON to what it measures
	Grows   bool     // takes part in works about growth
	Java    bool     // built by Maven, and only for -parallel-consumer
	Own     []string // handlers that it has a program of its own for
	Alone   bool     // takes part in no other works
	Slow    bool     // has a part of the records only where it has to write
}

var contenders = []contender{
	{
		Name: raw, Program: "kgo", Grows: true,
		Own: []string{work.Transform, work.Produce, work.Transact, work.Store, work.StoreBatch},
	},
	{Name: "raw-kgo-partitions", Program: "kgo"},
	{Name: perPartition, Program: ours, Grows: true, Own: []string{work.Transform, work.Transact, work.Store}},
	{Name: "karafgo-each-middleware", Program: ours},
	{Name: "karafgo-each-reuse", Program: ours},
	{Name: "karafgo-batch", Program: ours, Grows: true, Own: []string{work.Transform, work.Transact, work.StoreBatch}},
	{Name: "karafgo-typed", Program: ours, Decodes: true},
	{Name: byKey, Program: ours},
	{Name: "karafgo-producer", Program: ours, Own: []string{work.Produce}, Alone: true},
	{Name: "sarama", Program: "sarama", Own: []string{work.Transform, work.Produce}},
	{Name: "kafka-go", Program: "segmentio"},
	{Name: "goka", Program: "goka"},
	{Name: "confluent", Program: "confluent"},
	{Name: "confluent-backoff-10ms", Program: "confluent"},
	{Name: "watermill", Program: "watermill", Own: []string{work.Transform, work.Produce}, Slow: true},
	{Name: parallelKeys, Program: "parallel", Java: true},
	{Name: parallelPartitions, Program: "parallel", Java: true},
}

// judge is the measurement that a work is about.
type judge string

const (
	judgeCPU       judge = ""
	judgeSpeed     judge = "throughput"
	judgeLatency   judge = "latency"
	judgeIdle      judge = "idle"
	judgeRebalance judge = "rebalance"
	judgeRSS       judge = "rss"
)

// workload is what clients are measured with.
type workload struct {
	Name, About string
	Topics      int
	Partitions  int
	Records     int // of all topics
	Size        int // of values, in bytes
	Headers     int
	Zstd        bool
	Orders      bool // values are JSON
	Keys        int  // different keys; 0 for records without keys
	Groups      bool // every topic has a group of its own, in the same process

	Handler string
	Sleep   time.Duration
	Slow    time.Duration // instead of Sleep, every SlowEvery records of a partition
	Every   int64
	Spread  bool   // any time up to Sleep
	FailKey string // always fails; its records are more than are waited for
	AtOnce  int
	Until   string
	After   time.Duration
	Count   int

	Interval time.Duration // of transactions

	Feed   time.Duration // a record in every partition, again and again
	Second bool          // another process of the same client is in the group before
	Growth bool          // measured with those that grow
	Judge  judge         // what it is about
}

// backlog is the work that is about memory.
const backlog = "backlog-1g"

const (
	million = 1_000_000
	six     = 6
	hundred = 100

	tenThousand = 10_000
)

var works = []workload{
	{
		Name: "noop-100b", About: "100-byte records, 6 partitions, a handler that looks at them",
		Partitions: six, Records: 2 * million, Size: 100, Handler: work.Look, Until: work.AtEnd,
	},
	{
		Name: "noop-1k", About: "1 KiB records, 6 partitions",
		Partitions: six, Records: million / 2, Size: 1024, Handler: work.Look, Until: work.AtEnd,
	},
	{
		Name: "noop-100b-zstd", About: "100-byte records in zstd batches, 6 partitions",
		Partitions: six, Records: million, Size: 100, Zstd: true, Handler: work.Look, Until: work.AtEnd,
	},
	{
		Name: "noop-100b-1p", About: "100-byte records, 1 partition",
		Partitions: 1, Records: 2 * million, Size: 100, Handler: work.Look, Until: work.AtEnd,
	},
	{
		Name: "noop-100b-100p", About: "100-byte records, 100 partitions",
		Partitions: hundred, Records: 2 * million, Size: 100, Handler: work.Look, Until: work.AtEnd,
	},
	{
		Name: "json", About: "orders of about 200 bytes of JSON, decoded by encoding/json, 6 partitions",
		Partitions: six, Records: 200_000, Orders: true, Handler: work.JSON, Until: work.AtEnd,
	},
	{
		Name: "sleep-2ms", About: "a handler that waits 2 ms, 6 partitions",
		Partitions: six, Records: 1800, Size: 100, Handler: work.Sleep, Sleep: 2 * time.Millisecond, Until: work.AtEnd, Judge: judgeSpeed,
	},
	{
		Name: string(judgeLatency), About: "a record every 10 ms into an idle topic: from its production to its handler",
		Partitions: 1, Size: 100, Handler: work.Latency, Until: work.AfterCount, Count: 400,
		Feed: 10 * time.Millisecond, Judge: judgeLatency,
	},
	{
		Name: "idle-100p", About: "100 idle partitions for 10 s",
		Partitions: hundred, Records: hundred, Size: 100, Handler: work.Look, Until: work.AfterSleep, After: 10 * time.Second,
		Judge: judgeIdle,
	},
	{
		Name: "rebalance-100p", About: "a second member joins a group with 100 partitions: until it has had records of its 50",
		Partitions: hundred, Records: hundred, Size: 100, Handler: work.Look, Until: work.Partitions, Count: hundred / 2,
		Feed: 50 * time.Millisecond, Second: true, Judge: judgeRebalance,
	},
	{
		Name: backlog, About: "1 GiB of 1 KiB records before a handler that waits 1 ms, for 5 s: memory",
		Partitions: six, Records: million, Size: 1024, Handler: work.Sleep, Sleep: time.Millisecond,
		Until: work.AfterSleep, After: 5 * time.Second, Judge: judgeRSS,
	},
	{
		Name: "keys-noop", About: "100-byte records of 10,000 keys, 6 partitions; by key 256 at once",
		Partitions: six, Records: 2 * million, Size: 100, Keys: tenThousand, Handler: work.Look, Until: work.AtEnd,
	},
	{
		Name: "keys-million", About: "the same with 1,000,000 different keys: memory",
		Partitions: six, Records: 2 * million, Size: 100, Keys: million, Handler: work.Look, Until: work.AtEnd,
	},
	{
		Name: "ctp-100b", About: "consume, transform, produce: 100-byte records, 6 partitions to 6, at least once",
		Partitions: six, Records: million, Size: 100, Keys: tenThousand, Handler: work.Transform, Until: work.Told, Judge: judgeSpeed,
	},
	{
		Name: "produce-only", About: "100-byte records to 6 partitions, acks=all, idempotent",
		Partitions: six, Records: million, Size: 100, Handler: work.Produce, Until: work.Told, Judge: judgeSpeed,
	},
	transacting("exactly-100b", hundred*time.Millisecond),
	transacting("exactly-100b-10ms", hundred*time.Millisecond/10), //nolint:mnd // a tenth
	{
		Name: "sqlite-each", About: "a row of a SQLite database grows and the offset moves, in a transaction for each record",
		Partitions: six, Records: 6 * tenThousand, Size: 100, Keys: tenThousand, Handler: work.Store, Until: work.AtEnd, Judge: judgeSpeed,
	},
	{
		Name: "sqlite-batch", About: "the same in a transaction for up to 500 records",
		Partitions: six, Records: 30 * tenThousand, Size: 100, Keys: tenThousand, Handler: work.StoreBatch, Until: work.AtEnd,
		Judge: judgeSpeed,
	},
	growing("records-250k", func(w *workload) { w.Records = million / 4 }),
	growing("records-1m", func(*workload) {}),
	growing("records-4m", func(w *workload) { w.Records = 4 * million }),
	growing("partitions-1", func(w *workload) { w.Partitions = 1 }),
	growing("partitions-10", func(w *workload) { w.Partitions = 10 }),
	growing("partitions-100", func(w *workload) { w.Partitions = hundred }),
	growing("partitions-1000", func(w *workload) { w.Partitions = 10 * hundred }),
	growing("topics-1", func(w *workload) { w.Topics, w.Partitions = 1, 2 }),
	growing("topics-10", func(w *workload) { w.Topics, w.Partitions = 10, 2 }),
	growing("topics-100", func(w *workload) { w.Topics, w.Partitions = hundred, 2 }),
	growing("topics-500", func(w *workload) { w.Topics, w.Partitions = 5*hundred, 2 }),
	growing("groups-1", func(w *workload) { w.Topics, w.Partitions, w.Groups = 1, 2, true }),
	growing("groups-10", func(w *workload) { w.Topics, w.Partitions, w.Groups = 10, 2, true }),
	growing("groups-50", func(w *workload) { w.Topics, w.Partitions, w.Groups = hundred/2, 2, true }),
	growing("headers-0", func(*workload) {}),
	growing("headers-1", func(w *workload) { w.Headers = 1 }),
	growing("headers-5", func(w *workload) { w.Headers = 5 }),
	growing("headers-20", func(w *workload) { w.Headers = 20 }),
}

func transacting(name string, interval time.Duration) workload {
	return workload{
		Name: name, About: "consume, transform, produce exactly once: ctp-100b with a transaction every " + interval.String(),
		Partitions: six, Records: million, Size: 100, Keys: tenThousand, Handler: work.Transact, Interval: interval, Until: work.Told,
		Judge: judgeSpeed,
	}
}

func growing(name string, change func(*workload)) workload {
	w := workload{
		Name: name, About: "how cost grows: 100-byte records", Partitions: six, Records: million, Size: 100,
		Handler: work.Look, Until: work.AtEnd, Growth: true,
	}
	change(&w)
	return w
}

// writes reports whether the work has outputs.
func (w workload) writes() bool { return w.Until == work.Told }

// takes reports whether the work is measured with a client.
func (w workload) takes(c contender) bool {
	switch {
	case c.Java:
		return false
	case work.Own(w.Handler):
		return slices.Contains(c.Own, w.Handler)
	case c.Alone:
		return false
	case w.Growth:
		return c.Grows
	case w.Keys > 0:
		return c.Name == byKey || c.Name == perPartition || c.Name == raw
	case c.Name == byKey:
		return false
	case c.Name == "karafgo-typed":
		return w.Orders
	case c.Name == "karafgo-each-reuse", c.Name == "karafgo-each-middleware":
		return w.Judge == judgeCPU && !w.Orders
	}
	return true
}
