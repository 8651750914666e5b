package metrics

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/karafgo/karafgo/callbacks"
)

// Metrics collects karafgo_* metrics from events.
type Metrics struct {
	topics     sync.Map // Topic → *topicMetrics
	partitions sync.Map // callbacks.Where → *partitionMetrics, of those that are assigned now
	status     func() Status

	retries, panics, stale, blocked   *prometheus.CounterVec
	commits, rebalances, fetchErrors  *prometheus.CounterVec
	gaps, dropped, produced, hookFail *prometheus.CounterVec
	sent, aborted, storeFail, fenced  *prometheus.CounterVec

	deadLettered, retriedLater, forwardFail *prometheus.CounterVec
}

// Status is what only the engine knows, read when metrics are scraped.
type Status struct {
	// Buffered bytes by group.
	Buffered map[string]int64
	// Lag by partition, of those whose lag is known.
	Lag map[callbacks.Where]int64
	// PollAge by group: for how long the poll loop has been away from the client.
	PollAge map[string]time.Duration
	// InFlight handlers by group and topic, and how long the oldest of them has been running.
	InFlight map[Topic]InFlight
	// Paused partitions by group and reason; what holds for a whole group counts as one.
	Paused map[Pause]int
}

// Pause is a reason why partitions of a group are paused.
type Pause struct{ Group, Reason string }

// Topic is a topic of a group.
type Topic struct{ Group, Topic string }

// InFlight tells about handlers in progress.
type InFlight struct {
	Handlers int
	Oldest   time.Duration
}

type topicMetrics struct {
	consumed, success, failed, skipped atomic.Uint64
	seconds, batch                     *histogram
}

type partitionMetrics struct {
	committed atomic.Int64
}

var (
	secondsBounds = prometheus.ExponentialBuckets(0.0005, 2, 18) //nolint:gochecknoglobals // constant: 0.5 ms to 65 s
	batchBounds   = prometheus.ExponentialBuckets(1, 4, 8)       //nolint:gochecknoglobals // constant: 1 to 16,384 records
)

// New makes metrics. status may be nil.
func New(status func() Status) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "karafgo_" + name, Help: help}, labels)
	}
	return &Metrics{
		status:      status,
		retries:     counter("retries_total", "Deliveries handed over again after a failure.", "group", "topic"),
		panics:      counter("panics_total", "Handlers that panicked.", "group", "topic"),
		stale:       counter("stale_results_dropped_total", "Results of handlers whose partition had been taken away.", "group", "topic"),
		blocked:     counter("blocked_total", "Records at which a partition stopped moving on.", "group", "topic"),
		commits:     counter("commits_total", "Offsets sent to the broker, by partition and result.", "group", "result"),
		rebalances:  counter("rebalances_total", "Partitions assigned, revoked and lost.", "group", "kind"),
		fetchErrors: counter("fetch_errors_total", "Errors that polling reported.", "group", "error"),
		gaps: counter("offset_gap_records_total", "Offsets that were passed because their records no longer exist.",
			"group", "topic", "reason"),
		deadLettered: counter("dead_lettered_total", "Records written to a dead letter topic.", "group", "topic", "to"),
		retriedLater: counter("retried_later_total", "Records written to a retry topic.", "group", "topic", "to"),
		forwardFail: counter("dead_letter_failures_total", "Records that could not be written to their dead letter or retry topic, "+
			"by attempt.", "group", "topic", "to"),
		dropped:  counter("dropped_records_total", "Records fetched for a partition that was not assigned.", "group", "topic"),
		produced: counter("produced_total", "Outputs, by result.", "group", "topic", "result"),
		sent:     counter("sent_total", "Records that the program sent by itself, by result.", "topic", "result"),
		aborted:  counter("transactions_aborted_total", "Transactions of groups drawn with ExactlyOnce that were not committed.", "group"),
		storeFail: counter("store_failures_total", "Times that a store of offsets did not claim, begin or say that it has stored.",
			"group", "topic"),
		fenced:   counter("fenced_total", "Partitions claimed by another owner in a store of offsets.", "group", "topic"),
		hookFail: counter("hook_failures_total", "Hooks that failed.", "group", "hook"),
	}
}

// OnEvent implements callbacks.Listener.
func (m *Metrics) OnEvent(_ context.Context, ev callbacks.Event) {
	switch e := ev.(type) {
	case callbacks.Fetched:
		m.topic(e.Where).consumed.Add(uint64(e.Count))
	case callbacks.Handled:
		m.handled(e)
	case callbacks.Failed:
		t := m.topic(e.Where)
		t.failed.Add(1)
		t.seconds.observe(e.Elapsed.Seconds(), 1)
		if e.Panic {
			m.panics.WithLabelValues(e.Group, e.Topic).Inc()
		}
	case callbacks.Skipped:
		m.topic(e.Where).skipped.Add(1)
	case callbacks.Committed:
		if p := m.assigned(e.Where); p != nil {
			p.committed.Store(e.Offset)
		}
		m.commits.WithLabelValues(e.Group, "success").Inc()
	case callbacks.CommitFailed:
		m.commits.WithLabelValues(e.Group, "failed").Inc()
	default:
		m.rare(ev)
	}
}

func (m *Metrics) handled(e callbacks.Handled) {
	t := m.topic(e.Where)
	n := uint64(max(e.Count, 1))
	skipped := uint64(e.Skipped)
	t.success.Add(n - min(skipped, n))
	t.skipped.Add(skipped)
	if e.Batch {
		t.seconds.observe(e.Elapsed.Seconds(), 1)
		t.batch.observe(float64(e.Count), 1)
	} else {
		t.seconds.observe(e.Elapsed.Seconds()/float64(n), n)
	}
}

func (m *Metrics) rare(ev callbacks.Event) {
	switch e := ev.(type) {
	case callbacks.Retried:
		m.retries.WithLabelValues(e.Group, e.Topic).Inc()
	case callbacks.DeadLettered:
		m.deadLettered.WithLabelValues(e.Group, e.Topic, e.To).Inc()
	case callbacks.RetriedLater:
		m.retriedLater.WithLabelValues(e.Group, e.Topic, e.To).Inc()
	case callbacks.ForwardFailed:
		m.forwardFail.WithLabelValues(e.Group, e.Topic, e.To).Inc()
	case callbacks.Blocked:
		m.blocked.WithLabelValues(e.Group, e.Topic).Inc()
	case callbacks.Stale:
		m.stale.WithLabelValues(e.Group, e.Topic).Inc()
	case callbacks.Assigned:
		m.rebalances.WithLabelValues(e.Group, "assigned").Inc()
		m.topic(e.Where)
		m.assign(e.Where)
	case callbacks.Positioned:
		if p := m.assigned(e.Where); p != nil && e.Committed {
			p.committed.Store(e.Offset)
		}
	case callbacks.Revoked:
		kind := "revoked"
		if e.Lost {
			kind = "lost"
		}
		m.rebalances.WithLabelValues(e.Group, kind).Inc()
		m.partitions.Delete(e.Where)
	case callbacks.FetchFailed:
		m.fetchErrors.WithLabelValues(e.Group, class(e.Err)).Add(float64(e.Count))
	case callbacks.Gap:
		m.gaps.WithLabelValues(e.Group, e.Topic, e.Reason).Add(float64(max(e.To-e.From, 0)))
	case callbacks.Unassigned:
		m.dropped.WithLabelValues(e.Group, e.Topic).Add(float64(e.Count))
	case callbacks.Produced:
		m.produced.WithLabelValues(e.Group, e.Topic, "success").Add(float64(e.Count))
	case callbacks.ProduceFailed:
		m.produced.WithLabelValues(e.Group, e.Topic, "failed").Inc()
	case callbacks.TransactionAborted:
		m.aborted.WithLabelValues(e.Group).Inc()
	case callbacks.Sent:
		m.sent.WithLabelValues(e.Topic, "success").Add(float64(e.Count))
	case callbacks.SendFailed:
		m.sent.WithLabelValues(e.Topic, "failed").Inc()
	case callbacks.StoreFailed:
		m.storeFail.WithLabelValues(e.Group, e.Topic).Inc()
	case callbacks.Fenced:
		m.fenced.WithLabelValues(e.Group, e.Topic).Inc()
	case callbacks.HookFailed:
		m.hookFail.WithLabelValues(e.Group, e.Hook).Inc()
	}
}

func (m *Metrics) topic(w callbacks.Where) *topicMetrics {
	key := Topic{w.Group, w.Topic}
	if t, ok := m.topics.Load(key); ok {
		return t.(*topicMetrics) //nolint:forcetypeassert // only this is stored
	}
	t, _ := m.topics.LoadOrStore(key, &topicMetrics{seconds: newHistogram(secondsBounds), batch: newHistogram(batchBounds)})
	return t.(*topicMetrics) //nolint:forcetypeassert // only this is stored
}

// assign makes the series of a partition. No other event does: one that comes late must not bring back what was revoked.
func (m *Metrics) assign(w callbacks.Where) {
	fresh := &partitionMetrics{}
	fresh.committed.Store(-1)
	m.partitions.Store(w, fresh)
}

// assigned returns the metrics of a partition, nil when it is not assigned.
func (m *Metrics) assigned(w callbacks.Where) *partitionMetrics {
	p, ok := m.partitions.Load(w)
	if !ok {
		return nil
	}
	return p.(*partitionMetrics) //nolint:forcetypeassert // only this is stored
}
