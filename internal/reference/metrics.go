package reference

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/metrics"
)

// Metric is one of the collector's, as Prometheus sees it.
type Metric struct {
	Name string
	// Type is "counter", "gauge" or "histogram".
	Type string
	Help string
	// Labels are in the order of the alphabet.
	Labels []string
	// Buckets are the upper bounds of a histogram's.
	Buckets []float64
	// Values are what labels had that have few values, by label.
	Values map[string][]string
}

// closed are the labels whose values are few, and known.
var closed = []string{"kind", "result", "status"} //nolint:gochecknoglobals // constant

// Collected returns every metric of the collector, by name. It tells the collector something of everything, and fails for a metric that has
// nothing to show then.
func Collected() ([]Metric, error) {
	where := callbacks.Where{Group: "g", Topic: "t"}
	m := metrics.New(func() metrics.Status {
		topic := metrics.Topic{Group: where.Group, Topic: where.Topic}
		return metrics.Status{
			Buffered: map[string]int64{where.Group: 1},
			Lag:      map[callbacks.Where]int64{where: 1},
			PollAge:  map[string]time.Duration{where.Group: time.Second},
			InFlight: map[metrics.Topic]metrics.InFlight{topic: {Handlers: 1, Oldest: time.Second}},
			Paused:   map[metrics.Pause]int{{Group: where.Group, Reason: callbacks.PausedQueue}: 1},
		}
	})
	for _, e := range everything(where) {
		m.OnEvent(context.Background(), e)
	}
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(m); err != nil {
		return nil, fmt.Errorf("register collector: %w", err)
	}
	families, err := registry.Gather()
	if err != nil {
		return nil, fmt.Errorf("gather metrics: %w", err)
	}
	var all []Metric
	for _, f := range families {
		metric := Metric{Name: f.GetName(), Type: strings.ToLower(f.GetType().String()), Help: f.GetHelp(), Values: map[string][]string{}}
		for _, sample := range f.GetMetric() {
			metric.Labels = metric.Labels[:0]
			for _, l := range sample.GetLabel() {
				metric.Labels = append(metric.Labels, l.GetName())
				if slices.Contains(closed, l.GetName()) && !slices.Contains(metric.Values[l.GetName()], l.GetValue()) {
					metric.Values[l.GetName()] = append(metric.Values[l.GetName()], l.GetValue())
				}
			}
			metric.Buckets = metric.Buckets[:0]
			for _, b := range sample.GetHistogram().GetBucket() {
				metric.Buckets = append(metric.Buckets, b.GetUpperBound())
			}
		}
		all = append(all, metric)
	}
	return all, missing(m, all)
}

// missing names what the collector describes and did not collect.
func missing(m *metrics.Metrics, all []Metric) error {
	descriptions := make(chan *prometheus.Desc, 1000) // more than there will ever be, so that nobody need read meanwhile
	m.Describe(descriptions)
	close(descriptions)
	var errs []error
	for d := range descriptions {
		if !slices.ContainsFunc(all, func(m Metric) bool { return strings.Contains(d.String(), strconv.Quote(m.Name)) }) {
			errs = append(errs, fmt.Errorf("nothing was collected of %s: add an event that it counts", d))
		}
	}
	return errors.Join(errs...)
}

// everything is what the collector counts, each with every value that a closed label may have.
func everything(where callbacks.Where) []callbacks.Event {
	err := errors.New("an error")
	return []callbacks.Event{
		callbacks.Assigned{Where: where},
		callbacks.Revoked{Where: where},
		callbacks.Revoked{Where: where, Lost: true},
		callbacks.Assigned{Where: where},
		callbacks.Positioned{Where: where, Committed: true},
		callbacks.Fetched{Where: where, Count: 1},
		callbacks.Handled{Where: where, Count: 1, Batch: true},
		callbacks.Failed{Where: where, Err: err, Panic: true},
		callbacks.Skipped{Where: where},
		callbacks.Retried{Where: where},
		callbacks.RetriedLater{Where: where, To: "r"},
		callbacks.DeadLettered{Where: where, To: "d"},
		callbacks.ForwardFailed{Where: where, To: "d", Err: err},
		callbacks.Blocked{Where: where},
		callbacks.Stale{Where: where},
		callbacks.Committed{Where: where},
		callbacks.CommitFailed{Where: where, Err: err},
		callbacks.FetchFailed{Where: where, Err: err, Count: 1},
		callbacks.Gap{Where: where, To: 1, Reason: callbacks.GapRetention},
		callbacks.Unassigned{Where: where, Count: 1},
		callbacks.Produced{Where: where, Count: 1},
		callbacks.ProduceFailed{Where: where, Err: err},
		callbacks.Sent{Topic: where.Topic, Count: 1},
		callbacks.SendFailed{Topic: where.Topic, Err: err},
		callbacks.TransactionAborted{Group: where.Group, Err: err},
		callbacks.StoreFailed{Where: where, Err: err},
		callbacks.Fenced{Where: where},
		callbacks.HookFailed{Group: where.Group, Hook: "h", Err: err},
	}
}

//go:embed metrics_head.md
var metricsHead string

// Metrics writes the page about metrics.
func Metrics() ([]byte, error) {
	all, err := Collected()
	if err != nil {
		return nil, err
	}
	var page bytes.Buffer
	page.WriteString(metricsHead)
	for _, m := range all {
		fmt.Fprintf(&page, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, m.labels(), m.Help)
	}
	for _, m := range all {
		if len(m.Buckets) > 0 {
			var bounds []string
			for _, b := range m.Buckets {
				bounds = append(bounds, strconv.FormatFloat(b, 'g', -1, 64))
			}
			fmt.Fprintf(&page, "\nThe buckets of `%s` end at %s.\n", m.Name, strings.Join(bounds, ", "))
		}
	}
	return page.Bytes(), nil
}

func (m Metric) labels() string {
	var all []string
	for _, name := range m.Labels {
		text := name
		if values := m.Values[name]; len(values) > 0 {
			slices.Sort(values)
			text += " (" + strings.Join(values, ", ") + ")"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}
