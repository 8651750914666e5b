package metrics_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/metrics"
)

var where = callbacks.Where{Group: "g", Topic: "t", Partition: 3}

var _ = Describe("Metrics", func() {
	var (
		m        *metrics.Metrics
		registry *prometheus.Registry
	)

	tell := func(ctx context.Context, events ...callbacks.Event) {
		for _, e := range events {
			m.OnEvent(ctx, e)
		}
	}
	// has expects the samples, without their HELP and TYPE, to be all there is of these metrics.
	has := func(name string, samples ...string) {
		GinkgoHelper()
		families, err := registry.Gather()
		Expect(err).NotTo(HaveOccurred())
		var got []string
		for _, f := range families {
			if f.GetName() != "karafgo_"+name {
				continue
			}
			for _, s := range f.GetMetric() {
				var labels []string
				for _, l := range s.GetLabel() {
					labels = append(labels, l.GetName()+"="+l.GetValue())
				}
				value := s.GetCounter().GetValue() + s.GetGauge().GetValue()
				text := strings.Join(labels, ",") + fmt.Sprintf(" %g", value)
				if h := s.GetHistogram(); h != nil {
					text = strings.Join(labels, ",") + fmt.Sprintf(" n=%d sum=%.4g", h.GetSampleCount(), h.GetSampleSum())
				}
				got = append(got, text)
			}
		}
		Expect(got).To(ConsistOf(samples))
	}

	BeforeEach(func() {
		m = metrics.New(func() metrics.Status {
			return metrics.Status{
				Buffered: map[string]int64{"g": 4096},
				Lag:      map[callbacks.Where]int64{where: 139, {Group: "g", Topic: "t", Partition: 4}: -1},
				PollAge:  map[string]time.Duration{"g": 250 * time.Millisecond},
				InFlight: map[metrics.Topic]metrics.InFlight{{Group: "g", Topic: "t"}: {Handlers: 2, Oldest: 1500 * time.Millisecond}},
				Paused:   map[metrics.Pause]int{{Group: "g", Reason: callbacks.PausedQueue}: 3, {Group: "g", Reason: callbacks.PausedQuiet}: 0},
			}
		})
		registry = prometheus.NewPedanticRegistry()
		Expect(registry.Register(m)).To(Succeed())
	})

	It("counts what is fetched and handled, and keeps lag and offsets", func(ctx SpecContext) {
		tell(ctx,
			callbacks.Assigned{Where: where, Epoch: 1},
			callbacks.Positioned{Where: where, Offset: 10, Committed: true},
			callbacks.Fetched{Where: where, First: 10, Last: 109, Count: 100, HighWatermark: 200},
			callbacks.Handled{Where: where, First: 10, Last: 59, Count: 50, Skipped: 5, Elapsed: 5 * time.Second},
			callbacks.Skipped{Where: where, Offset: 60},
			callbacks.Committed{Where: where, Offset: 61},
		)
		has("messages_consumed_total", "group=g,topic=t 100")
		has("messages_processed_total",
			"group=g,status=success,topic=t 45", "group=g,status=skipped,topic=t 6", "group=g,status=failed,topic=t 0")
		has("processing_duration_seconds", "group=g,topic=t n=50 sum=5")
		has("committed_offset", "group=g,partition=3,topic=t 61")
		has("commits_total", "group=g,result=success 1")
		has("assigned_partitions", "group=g,topic=t 1")
	})

	It("has a batch once, with its size", func(ctx SpecContext) {
		tell(ctx, callbacks.Handled{Where: where, First: 0, Last: 499, Count: 500, Elapsed: 2 * time.Second, Batch: true})
		has("processing_duration_seconds", "group=g,topic=t n=1 sum=2")
		has("batch_size", "group=g,topic=t n=1 sum=500")
	})

	It("forgets a partition with its revoke, whatever comes late", func(ctx SpecContext) {
		tell(ctx,
			callbacks.Assigned{Where: where},
			callbacks.Positioned{Where: where, Offset: 1, Committed: true},
			callbacks.Fetched{Where: where, Count: 1, HighWatermark: 5},
		)
		tell(ctx,
			callbacks.Revoked{Where: where, Drained: true},
			callbacks.Handled{Where: where, First: 1, Last: 1, Count: 1},
			callbacks.Committed{Where: where, Offset: 2},
		)
		has("committed_offset")
		has("assigned_partitions", "group=g,topic=t 0")
	})

	It("counts failures", func(ctx SpecContext) {
		tell(ctx,
			callbacks.Failed{Where: where, Err: errors.New("x"), Elapsed: time.Second},
			callbacks.Failed{Where: where, Err: errors.New("x"), Elapsed: time.Second, Panic: true},
			callbacks.Retried{Where: where},
			callbacks.Blocked{Where: where},
			callbacks.Stale{Where: where},
			callbacks.CommitFailed{Where: where, Err: errors.New("x")},
			callbacks.ProduceFailed{Where: where, Err: errors.New("x")},
			callbacks.Produced{Where: where, Count: 7},
			callbacks.Unassigned{Where: where, Count: 2},
			callbacks.HookFailed{Group: "g", Hook: "OnAssigned"},
			callbacks.StoreFailed{Where: where, Err: errors.New("x")},
			callbacks.Fenced{Where: where},
			callbacks.Gap{Where: where, From: 10, To: 25, Reason: "retention"},
			callbacks.Gap{Where: where, From: 25, To: 5, Reason: "data loss"},
		)
		has("messages_processed_total",
			"group=g,status=success,topic=t 0", "group=g,status=skipped,topic=t 0", "group=g,status=failed,topic=t 2")
		has("processing_duration_seconds", "group=g,topic=t n=2 sum=2")
		has("panics_total", "group=g,topic=t 1")
		has("retries_total", "group=g,topic=t 1")
		has("blocked_total", "group=g,topic=t 1")
		has("stale_results_dropped_total", "group=g,topic=t 1")
		has("commits_total", "group=g,result=failed 1")
		has("produced_total", "group=g,result=success,topic=t 7", "group=g,result=failed,topic=t 1")
		has("dropped_records_total", "group=g,topic=t 2")
		has("hook_failures_total", "group=g,hook=OnAssigned 1")
		has("store_failures_total", "group=g,topic=t 1")
		has("fenced_total", "group=g,topic=t 1")
		has("offset_gap_records_total", "group=g,reason=retention,topic=t 15", "group=g,reason=data loss,topic=t 0")
	})

	It("counts rebalances by kind", func(ctx SpecContext) {
		tell(ctx, callbacks.Assigned{Where: where}, callbacks.Revoked{Where: where}, callbacks.Assigned{Where: where},
			callbacks.Revoked{Where: where, Lost: true})
		has("rebalances_total", "group=g,kind=assigned 2", "group=g,kind=revoked 1", "group=g,kind=lost 1")
	})

	It("reads the engine's state when it is scraped", func() {
		has("buffered_bytes", "group=g 4096")
		has("inflight_handlers", "group=g,topic=t 2")
		has("lag", "group=g,partition=3,topic=t 139", "group=g,partition=4,topic=t 0")
		has("poll_age_seconds", "group=g 0.25")
		has("paused_partitions", "group=g,reason=queue 3", "group=g,reason=quiet 0")
		has("oldest_inflight_seconds", "group=g,topic=t 1.5")
	})

	DescribeTable("names errors with a bounded set of words", func(ctx SpecContext, err error, name string) {
		tell(ctx, callbacks.FetchFailed{Where: where, Err: err, Count: 3})
		has("fetch_errors_total", "error="+name+",group=g 3")
	},
		Entry("Kafka's", kerr.NotLeaderForPartition, "NOT_LEADER_FOR_PARTITION"),
		Entry("Kafka's, wrapped", fmt.Errorf("fetch t/3 at 17: %w", kerr.TopicAuthorizationFailed), "TOPIC_AUTHORIZATION_FAILED"),
		Entry("a timeout", fmt.Errorf("ping: %w", context.DeadlineExceeded), "TIMEOUT"),
		Entry("a timeout of the network", fmt.Errorf("read: %w", os.ErrDeadlineExceeded), "TIMEOUT"),
		Entry("another", errors.New("offset 17 of 10.0.0.1: gone"), "OTHER"),
		Entry("none", nil, "OTHER"),
	)

	It("keeps to the conventions", func(ctx SpecContext) {
		tell(ctx,
			callbacks.Assigned{Where: where},
			callbacks.Positioned{Where: where, Offset: 1, Committed: true},
			callbacks.Fetched{Where: where, Count: 1, HighWatermark: 5},
			callbacks.Handled{Where: where, Count: 2, Batch: true},
			callbacks.Committed{Where: where, Offset: 1},
			callbacks.Paused{Where: where, Reason: callbacks.PausedQueue},
			callbacks.Retried{Where: where},
			callbacks.FetchFailed{Where: where, Err: kerr.NotLeaderForPartition, Count: 1},
		)
		families, err := registry.Gather()
		Expect(err).NotTo(HaveOccurred())
		Expect(families).NotTo(BeEmpty())
		problems, err := promlint.NewWithMetricFamilies(families).Lint()
		Expect(err).NotTo(HaveOccurred())
		Expect(problems).To(BeEmpty())
	})

	It("is told and scraped at once, and loses nothing", func(ctx SpecContext) {
		const tellers, each = 8, 500
		var wg sync.WaitGroup
		for i := range tellers {
			w := callbacks.Where{Group: "g", Topic: "t", Partition: int32(i)}
			wg.Go(func() {
				tell(ctx, callbacks.Assigned{Where: w})
				for range each {
					tell(ctx, callbacks.Handled{Where: w, Count: 10, Elapsed: time.Second})
				}
			})
		}
		for range 20 {
			_, err := registry.Gather()
			Expect(err).NotTo(HaveOccurred())
		}
		wg.Wait()
		has("processing_duration_seconds", fmt.Sprintf("group=g,topic=t n=%d sum=%d", tellers*each*10, tellers*each))
	})
})
