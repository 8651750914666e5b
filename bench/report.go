package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/karafgo/karafgo/bench/internal/work"
)

// row is a line of results.json: medians over rounds, ratios to raw franz-go of the same round. Works of -parallel-consumer are not
// compared with that: their rows have waiting instead, and records per second from the first record to the last.
type row struct {
	Work             string    `json:"work"`
	Client           string    `json:"client"`
	GOGC             string    `json:"gogc"`
	Rounds           int       `json:"rounds"`
	Throughput       float64   `json:"throughput_ratio,omitempty"`
	ThroughputRounds []float64 `json:"throughput_ratio_rounds,omitempty"`
	CPU              float64   `json:"cpu_ratio,omitempty"`
	CPURounds        []float64 `json:"cpu_ratio_rounds,omitempty"`
	NanosPerRecord   float64   `json:"cpu_ns_per_record"`
	RecordsPerSecond float64   `json:"records_per_second"`
	AllocsPerRecord  float64   `json:"allocs_per_record"`
	RSS              float64   `json:"rss_mib"`
	First            float64   `json:"first_record_ms"`
	Close            float64   `json:"close_ms"`
	P50              float64   `json:"latency_p50_ms,omitempty"`
	P99              float64   `json:"latency_p99_ms,omitempty"`
	Idle             float64   `json:"idle_cpu_percent,omitempty"`
	Rebalance        float64   `json:"rebalance_ms,omitempty"`
	Waiting          *waiters  `json:"waiting,omitempty"`
}

// waiters is what a client did with handlers that wait.
type waiters struct {
	Rounds        []float64 `json:"records_per_second_rounds"`
	Serial        float64   `json:"serial_ratio,omitempty"` // to the same client, partition by partition, in the same round
	SerialRounds  []float64 `json:"serial_ratio_rounds,omitempty"`
	Karafgo       float64   `json:"karafgo_ratio,omitempty"` // to karafgo by key in the same round
	KarafgoRounds []float64 `json:"karafgo_ratio_rounds,omitempty"`
	Bare          float64   `json:"bare_ratio,omitempty"` // to as many handlers that do nothing but wait, in the same round
	BareRounds    []float64 `json:"bare_ratio_rounds,omitempty"`
	Calm          float64   `json:"without_failing_key_ratio,omitempty"` // to the same without the key that fails, in the same round
	CalmRounds    []float64 `json:"without_failing_key_ratio_rounds,omitempty"`
}

func brief(w workload, s work.Sample) string {
	switch w.Judge {
	case judgeLatency:
		return fmt.Sprintf("p50 %.2f ms, p99 %.2f ms", quantile(s.Latencies, p50), quantile(s.Latencies, p99))
	case judgeIdle:
		return fmt.Sprintf("%.3f %% of a processor", idle(s))
	case judgeRebalance:
		return fmt.Sprintf("%.0f ms", rebalance(s))
	case judgeRSS:
		return fmt.Sprintf("%.0f MiB", s.RSS)
	default:
	}
	n := float64(s.Records)
	return fmt.Sprintf("%7.0f ns CPU per record, %9.0f records/s, %.4f allocations per record",
		float64(s.CPU)/n, speed(s), float64(s.Mallocs)/n)
}

// speed is records per second from the start of the client to its last record.
func speed(s work.Sample) float64 { return float64(s.Records) / (s.First + s.Span).Seconds() }

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// idle is in per cent of a processor.
func idle(s work.Sample) float64 {
	if s.IdleSpan == 0 {
		return 0
	}
	return 100 * float64(s.IdleCPU) / float64(s.IdleSpan) //nolint:mnd // per cent
}

// rebalance is from the start of the process to the first record of its last partition.
func rebalance(s work.Sample) float64 { return millis(s.First + s.Span) }

const (
	p50 = 0.5
	p99 = 0.99
)

func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func summarise(w workload, gogc string, taking []contender, rounds [][]result) []row {
	var rows []row
	for _, c := range taking {
		var mine, base []work.Sample
		for _, round := range rounds {
			find := func(name string) int { return slices.IndexFunc(round, func(r result) bool { return r.client == name }) }
			if i := find(c.Name); i >= 0 {
				mine, base = append(mine, round[i].sample), append(base, round[find(raw)].sample)
			}
		}
		if len(mine) == 0 {
			continue
		}
		each := func(fn func(s work.Sample) float64) float64 {
			values := make([]float64, len(mine))
			for i, s := range mine {
				values[i] = fn(s)
			}
			return median(values)
		}
		ratios := func(fn func(s, b work.Sample) float64) []float64 {
			values := make([]float64, len(mine))
			for i, s := range mine {
				values[i] = fn(s, base[i])
			}
			return values
		}
		perRecord := func(s work.Sample) float64 { return float64(s.CPU) / float64(s.Records) }
		cpu := ratios(func(s, b work.Sample) float64 { return perRecord(s) / perRecord(b) })
		throughput := ratios(func(s, b work.Sample) float64 { return speed(s) / speed(b) })
		r := row{
			Work: rowWork(w.Name, gogc), Client: c.Name, GOGC: gogc, Rounds: len(mine),
			CPU: median(cpu), CPURounds: cpu, Throughput: median(throughput), ThroughputRounds: throughput,
			NanosPerRecord: each(perRecord), RecordsPerSecond: each(speed),
			AllocsPerRecord: each(func(s work.Sample) float64 { return float64(s.Mallocs) / float64(s.Records) }),
			RSS:             each(func(s work.Sample) float64 { return s.RSS }),
			First:           each(func(s work.Sample) float64 { return millis(s.First) }),
			Close:           each(func(s work.Sample) float64 { return millis(s.Close) }),
		}
		switch w.Judge {
		case judgeLatency:
			r.P50 = each(func(s work.Sample) float64 { return quantile(s.Latencies, p50) })
			r.P99 = each(func(s work.Sample) float64 { return quantile(s.Latencies, p99) })
		case judgeIdle:
			r.Idle = each(idle)
		case judgeRebalance:
			r.Rebalance = each(rebalance)
		default:
		}
		rows = append(rows, r)
	}
	return rows
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// show prints the rows of a work.
func show(out io.Writer, w workload, rows []row) {
	fmt.Fprintf(out, "\n%s: %s\n", w.Name, w.About)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight) //nolint:mnd // two spaces between columns
	special := map[judge]string{judgeLatency: "p50 ms\tp99 ms\t", judgeIdle: "idle CPU %\t", judgeRebalance: "rebalance ms\t"}[w.Judge]
	fmt.Fprint(t, "GOGC\tclient\tCPU ns/record\tCPU ratio\tthroughput ratio\tallocations/record\tRSS MiB\t",
		"first record ms\tclose ms\t", special, "\n")
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%s\t%.0f\t%.3f\t%.3f\t%.4f\t%.0f\t%.0f\t%.0f\t", r.GOGC, r.Client, r.NanosPerRecord, r.CPU, r.Throughput,
			r.AllocsPerRecord, r.RSS, r.First, r.Close)
		switch w.Judge {
		case judgeLatency:
			fmt.Fprintf(t, "%.2f\t%.2f\t", r.P50, r.P99)
		case judgeIdle:
			fmt.Fprintf(t, "%.3f\t", r.Idle)
		case judgeRebalance:
			fmt.Fprintf(t, "%.0f\t", r.Rebalance)
		default:
		}
		fmt.Fprintln(t)
	}
	_ = t.Flush() // nobody to tell
}

// load reads rows; a file that is not there has none.
func load(file string) (rows []row, err error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &rows); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return rows, nil
}

// save puts rows in place of those of the same work and client.
func save(file string, rows []row) error {
	old, err := load(file)
	if err != nil {
		return err
	}
	type key struct{ work, client string }
	of := func(r row) key { return key{r.Work, r.Client} }
	fresh := map[key]bool{}
	for _, r := range rows {
		fresh[of(r)] = true
	}
	all := slices.Concat(slices.DeleteFunc(old, func(r row) bool { return fresh[of(r)] }), rows)
	ordered := slices.Concat(works, loads(sides), loads(beside))
	place := func(r row) int {
		work, _, _ := strings.Cut(r.Work, gogcMark)
		return slices.IndexFunc(ordered, func(w workload) bool { return w.Name == work })
	}
	turn := func(r row) int {
		return slices.IndexFunc(contenders, func(c contender) bool { return c.Name == r.Client })
	}
	slices.SortStableFunc(all, func(a, b row) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), -cmp.Compare(a.GOGC, b.GOGC), cmp.Compare(turn(a), turn(b)))
	})
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o600) //nolint:mnd // read and write
}
