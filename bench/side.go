package main

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/karafgo/karafgo/bench/internal/work"
)

// side is a work in which handlers wait: what counts is how many records a second are handled, beside what the handlers alone could do.
type side struct {
	workload

	serial int // records for the client that goes partition by partition, which takes long
	// want is what the project asks for: of the bare handlers' throughput, or with times of the serial one's.
	want  float64
	times bool
}

var sides = []side{
	{workload: waiting("2 ms handler, 6 partitions, 10,000 keys, 256 at once", six, tenThousand, 256, func(w *workload) {
		w.Sleep = 2 * time.Millisecond
	}), serial: 6_000, want: 0.92},
	{workload: waiting("the same, every 500th record of a partition 200 ms", six, tenThousand, 256, func(w *workload) {
		w.Sleep, w.Slow, w.Every = 2*time.Millisecond, 200*time.Millisecond, 500
	}), serial: 9_000, want: 8, times: true},
	{workload: waiting("the same, one key always fails", six, tenThousand, 256, func(w *workload) {
		w.Sleep, w.FailKey = 2*time.Millisecond, "key-000001"
	}), want: 0.92},
	{workload: waiting("0 to 5 ms handler, 1 partition, 1,000 keys, 100 at once", 1, 1000, 100, func(w *workload) {
		w.Sleep, w.Spread = 5*time.Millisecond, true
	}), serial: 1_000, want: 35, times: true},
	{workload: waiting("the same, 20 keys", 1, 20, 100, func(w *workload) {
		w.Sleep, w.Spread, w.Records = 5*time.Millisecond, true, 20_000
	}), serial: 1_000, want: 15, times: true},
	{workload: waiting("the same, 1 key", 1, 1, 100, func(w *workload) {
		w.Sleep, w.Spread, w.Records = 5*time.Millisecond, true, 1_000
	}), serial: 1_000, want: 0.95, times: true},
}

func waiting(about string, partitions, keys, atOnce int, change func(*workload)) workload {
	const records = 300_000
	w := workload{
		Name: "side", About: about, Partitions: partitions, Records: records, Size: 100, Keys: keys, AtOnce: atOnce,
		Handler: work.Sleep, Until: work.AtEnd, Judge: judgeSpeed,
	}
	if partitions == 1 {
		w.Records = records / 6
	}
	change(&w)
	return w
}

// bare is how many times a second so many goroutines can wait as the handler does, in a process that does nothing else.
func bare(n int, d time.Duration) float64 {
	const span = 2 * time.Second
	var all sync.WaitGroup
	counts := make([]int, n)
	began := time.Now()
	for i := range n {
		all.Go(func() {
			for time.Since(began) < span {
				time.Sleep(d) //nolint:forbidigo // as the handler does
				counts[i]++
			}
		})
	}
	all.Wait()
	total := 0
	for _, c := range counts {
		total += c
	}
	return float64(total) / time.Since(began).Seconds()
}

// sideBySide measures works in which handlers wait.
func (d *driver) sideBySide(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight) //nolint:mnd // two spaces between columns
	fmt.Fprintln(t, "records/s: by key\tserial\tbare handlers\tby key / bare\tserial / as many bare\tby key / serial\twanted\t"+
		"rounds\twork\t")
	for _, s := range sides {
		if err := d.sideOf(t, s); err != nil {
			return fmt.Errorf("%s: %w", s.About, err)
		}
		_ = t.Flush() // nobody to tell
	}
	return nil
}

func (d *driver) sideOf(out io.Writer, s side) error {
	full, err := setStage(s.workload, d.o.brokers, d.o.percent)
	if err != nil {
		return err
	}
	defer full.close()
	less := s.workload
	less.Records = s.serial
	var few *stage
	if s.serial > 0 {
		if few, err = setStage(less, d.o.brokers, 100); err != nil { //nolint:mnd // per cent
			return err
		}
		defer few.close()
	}
	if s.FailKey != "" { // the rest of its records is never handled
		if err := full.without(s.FailKey); err != nil {
			return err
		}
	}
	var byKeys, serials, ideals, toIdeal, toSerial, serialToIdeal []float64
	for range d.o.rounds {
		sample, err := d.run(s.workload, contenderOf(byKey), full, "400")
		if err != nil {
			return err
		}
		rate := rateOf(sample)
		byKeys = append(byKeys, rate)
		if s.Every == 0 && !s.Spread {
			ideal := bare(s.AtOnce, s.Sleep)
			ideals, toIdeal = append(ideals, ideal), append(toIdeal, rate/ideal)
		}
		if few != nil {
			slow, err := d.run(less, contenderOf(perPartition), few, "400")
			if err != nil {
				return err
			}
			serials, toSerial = append(serials, rateOf(slow)), append(toSerial, rate/rateOf(slow))
			if s.Every == 0 && !s.Spread {
				serialToIdeal = append(serialToIdeal, rateOf(slow)/bare(s.Partitions, s.Sleep))
			}
		}
	}
	want := fmt.Sprintf("%.2f of bare", s.want)
	if s.times {
		want = fmt.Sprintf("%.2f of serial", s.want)
	}
	fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t\n", figure("%.0f", byKeys), figure("%.0f", serials), figure("%.0f", ideals),
		figure("%.2f", toIdeal), figure("%.2f", serialToIdeal), figure("%.1f", toSerial), want, len(byKeys), s.About)
	return nil
}

func contenderOf(name string) contender {
	return contenders[slices.IndexFunc(contenders, func(c contender) bool { return c.Name == name })]
}

// rateOf is records per second from the first record to the last.
func rateOf(s work.Sample) float64 { return float64(s.Records) / s.Span.Seconds() }

func figure(format string, values []float64) string {
	if len(values) == 0 {
		return "-"
	}
	return fmt.Sprintf(format, median(values))
}
