package metrics

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/karafgo/karafgo/callbacks"
)

type descs struct {
	consumed, processed, seconds, batch   *prometheus.Desc
	lag, committed, assigned              *prometheus.Desc
	buffered, inflight, oldestUnprocessed *prometheus.Desc
	pollAge, paused                       *prometheus.Desc
}

//nolint:gochecknoglobals // constant
var desc = descs{
	consumed:          describe("messages_consumed_total", "Records fetched.", "group", "topic"),
	processed:         describe("messages_processed_total", "Records by how handling them ended.", "group", "topic", "status"),
	seconds:           describe("processing_duration_seconds", "How long handlers took, by call.", "group", "topic"),
	batch:             describe("batch_size", "Records per call of a batch handler.", "group", "topic"),
	lag:               describe("lag", "Records behind the high watermark.", "group", "topic", "partition"),
	committed:         describe("committed_offset", "The next offset to consume, as the broker has it.", "group", "topic", "partition"),
	assigned:          describe("assigned_partitions", "Partitions assigned to this process.", "group", "topic"),
	buffered:          describe("buffered_bytes", "Bytes that queues keep alive.", "group"),
	inflight:          describe("inflight_handlers", "Handlers in progress.", "group", "topic"),
	paused:            describe("paused_partitions", "Partitions that are paused, by reason.", "group", "reason"),
	pollAge:           describe("poll_age_seconds", "How long the poll loop has been away from the client.", "group"),
	oldestUnprocessed: describe("oldest_inflight_seconds", "How long the oldest handler in progress has been running.", "group", "topic"),
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("karafgo_"+name, help, labels, nil)
}

func (m *Metrics) vectors() []prometheus.Collector {
	return []prometheus.Collector{
		m.retries, m.panics, m.stale, m.blocked, m.commits, m.rebalances,
		m.fetchErrors, m.gaps, m.dropped, m.produced, m.sent, m.aborted, m.storeFail, m.fenced, m.hookFail,
		m.deadLettered, m.retriedLater, m.forwardFail,
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		desc.consumed, desc.processed, desc.seconds, desc.batch, desc.lag, desc.committed, desc.assigned,
		desc.buffered, desc.inflight, desc.oldestUnprocessed, desc.pollAge, desc.paused,
	} {
		ch <- d
	}
	for _, v := range m.vectors() {
		v.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	for _, v := range m.vectors() {
		v.Collect(ch)
	}
	m.topics.Range(func(key, value any) bool {
		k, t := key.(Topic), value.(*topicMetrics) //nolint:forcetypeassert // only these are stored
		count := func(d *prometheus.Desc, v uint64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
		}
		count(desc.consumed, t.consumed.Load(), k.Group, k.Topic)
		count(desc.processed, t.success.Load(), k.Group, k.Topic, "success")
		count(desc.processed, t.failed.Load(), k.Group, k.Topic, "failed")
		count(desc.processed, t.skipped.Load(), k.Group, k.Topic, "skipped")
		n, sum, buckets := t.seconds.read()
		ch <- prometheus.MustNewConstHistogram(desc.seconds, n, sum, buckets, k.Group, k.Topic)
		if n, sum, buckets = t.batch.read(); n > 0 {
			ch <- prometheus.MustNewConstHistogram(desc.batch, n, sum, buckets, k.Group, k.Topic)
		}
		return true
	})
	m.collectPartitions(ch)
	m.collectStatus(ch)
}

func (m *Metrics) collectPartitions(ch chan<- prometheus.Metric) {
	assigned := map[Topic]int{} // a topic that was assigned before stays, at zero
	m.topics.Range(func(key, _ any) bool {
		assigned[key.(Topic)] = 0 //nolint:forcetypeassert // only this is stored
		return true
	})
	m.partitions.Range(func(key, value any) bool {
		w, p := key.(callbacks.Where), value.(*partitionMetrics) //nolint:forcetypeassert // only these are stored
		assigned[Topic{w.Group, w.Topic}]++
		id := partitionLabel(w.Partition)
		if c := p.committed.Load(); c >= 0 {
			ch <- prometheus.MustNewConstMetric(desc.committed, prometheus.GaugeValue, float64(c), w.Group, w.Topic, id)
		}
		return true
	})
	for t, n := range assigned {
		ch <- prometheus.MustNewConstMetric(desc.assigned, prometheus.GaugeValue, float64(n), t.Group, t.Topic)
	}
}

func (m *Metrics) collectStatus(ch chan<- prometheus.Metric) {
	if m.status == nil {
		return
	}
	s := m.status()
	for group, n := range s.Buffered {
		ch <- prometheus.MustNewConstMetric(desc.buffered, prometheus.GaugeValue, float64(n), group)
	}
	for w, n := range s.Lag {
		id := partitionLabel(w.Partition)
		ch <- prometheus.MustNewConstMetric(desc.lag, prometheus.GaugeValue, float64(max(n, 0)), w.Group, w.Topic, id)
	}
	for group, age := range s.PollAge {
		ch <- prometheus.MustNewConstMetric(desc.pollAge, prometheus.GaugeValue, age.Seconds(), group)
	}
	for p, n := range s.Paused {
		ch <- prometheus.MustNewConstMetric(desc.paused, prometheus.GaugeValue, float64(n), p.Group, p.Reason)
	}
	for t, f := range s.InFlight {
		ch <- prometheus.MustNewConstMetric(desc.inflight, prometheus.GaugeValue, float64(f.Handlers), t.Group, t.Topic)
		ch <- prometheus.MustNewConstMetric(desc.oldestUnprocessed, prometheus.GaugeValue, f.Oldest.Seconds(), t.Group, t.Topic)
	}
}

func partitionLabel(id int32) string { return strconv.FormatInt(int64(id), 10) }
