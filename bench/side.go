package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/karafgo/karafgo/bench/internal/work"
)

// side is a work in which handlers wait: what counts is how many records a second are handled, beside what the handlers alone could do.
type side struct {
	workload

	serial int // records for the client that goes partition by partition, which takes long
	// want is what the project asks for, in words.
	want string
}

var sides = []side{
	{workload: waiting("side-2ms", "2 ms handler, 6 partitions, 10,000 keys, 256 at once", six, tenThousand, 256, func(w *workload) {
		w.Sleep = 2 * time.Millisecond
	}), serial: 6_000, want: "0.92 of bare, serial 0.97"},
	{workload: waiting("side-2ms-slow", "the same, every 500th record of a partition 200 ms", six, tenThousand, 256, func(w *workload) {
		w.Sleep, w.Slow, w.Every = 2*time.Millisecond, 200*time.Millisecond, 500
	}), serial: 9_000, want: "8 times serial"},
	{workload: waiting("side-2ms-failing-key", "the same, one key always fails", six, tenThousand, 256, func(w *workload) {
		w.Sleep, w.FailKey = 2*time.Millisecond, "key-000001"
	}), want: "0.97 of without"},
	{workload: waiting("side-5ms-1000-keys", "0 to 5 ms handler, 1 partition, 1,000 keys, 100 at once", 1, 1000, 100, func(w *workload) {
		w.Sleep, w.Spread = 5*time.Millisecond, true
	}), serial: 1_000, want: "35 times serial"},
	{workload: waiting("side-5ms-20-keys", "the same, 20 keys", 1, 20, 100, func(w *workload) {
		w.Sleep, w.Spread, w.Records = 5*time.Millisecond, true, 20_000
	}), serial: 1_000, want: "15 times serial"},
	{workload: waiting("side-5ms-1-key", "the same, 1 key", 1, 1, 100, func(w *workload) {
		w.Sleep, w.Spread, w.Records = 5*time.Millisecond, true, 1_000
	}), serial: 1_000, want: "0.95 of serial"},
}

func waiting(name, about string, partitions, keys, atOnce int, change func(*workload)) workload {
	const records = 300_000
	w := workload{
		Name: name, About: about, Partitions: partitions, Records: records, Size: 100, Keys: keys, AtOnce: atOnce,
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
	fmt.Fprintln(t, "by key, records/s\t/ bare handlers\tserial / bare handlers\tby key / serial\twith / without the failing key\twanted\t"+
		"rounds\twork\t")
	for _, s := range sides {
		rows, err := d.sideOf(s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.About, err)
		}
		fmt.Fprintln(t, strings.Join(sideFigures(s, rows), "\t")+"\t")
		_ = t.Flush() // nobody to tell
		if d.o.out != "" {
			if err := save(d.o.out, rows); err != nil {
				return err
			}
		}
	}
	return nil
}

// sideFigures are the columns of a work's line.
func sideFigures(s side, rows []row) []string {
	figure := func(format string, v float64) string {
		if v == 0 {
			return "-"
		}
		return fmt.Sprintf(format, v)
	}
	mine, serial := find(rows, byKey), find(rows, perPartition)
	if serial == nil {
		serial = &row{Waiting: &waiters{}}
	}
	v := mine.Waiting
	return []string{
		figure("%.0f", mine.RecordsPerSecond), figure("%.2f", v.Bare), figure("%.2f", serial.Waiting.Bare), figure("%.1f", v.Serial),
		figure("%.2f", v.Calm), s.want, strconv.Itoa(mine.Rounds), s.About,
	}
}

// sideOf measures one work, in rounds of all that it is compared with.
func (d *driver) sideOf(s side) ([]row, error) {
	full, err := setStage(s.workload, d.o.brokers, d.o.percent)
	if err != nil {
		return nil, err
	}
	defer full.close()
	calm := s.workload // without the key that fails
	calm.FailKey = ""
	less := s.workload
	less.Records = s.serial
	var few, well *stage
	if s.serial > 0 {
		if few, err = setStage(less, d.o.brokers, 100); err != nil { //nolint:mnd // per cent
			return nil, err
		}
		defer few.close()
	}
	if s.FailKey != "" { // the rest of its records is never handled
		if well, err = setStage(calm, d.o.brokers, d.o.percent); err != nil {
			return nil, err
		}
		defer well.close()
		if err := full.without(s.FailKey); err != nil {
			return nil, err
		}
	}
	var byKeys, serials, calms []work.Sample
	var bares, few6 []float64
	for r := range d.o.rounds {
		sample, err := d.run(s.workload, contenderOf(byKey), full, judgedGOGC)
		if err != nil {
			return nil, err
		}
		byKeys = append(byKeys, sample)
		if s.Every == 0 && !s.Spread {
			bares, few6 = append(bares, bare(s.AtOnce, s.Sleep)), append(few6, bare(s.Partitions, s.Sleep))
		}
		if few != nil {
			if sample, err = d.run(less, contenderOf(perPartition), few, judgedGOGC); err != nil {
				return nil, err
			}
			serials = append(serials, sample)
		}
		if well != nil {
			if sample, err = d.run(calm, contenderOf(byKey), well, judgedGOGC); err != nil {
				return nil, err
			}
			calms = append(calms, sample)
		}
		fmt.Fprintf(os.Stderr, "%s round %d %9.0f records/s by key, %v CPU per record\n", s.Name, r+1, rateOf(byKeys[r]),
			byKeys[r].CPU/time.Duration(byKeys[r].Records))
	}
	mine := rowOf(s.workload, byKey, byKeys)
	mine.Waiting.Serial, mine.Waiting.SerialRounds = against(byKeys, rates(serials))
	mine.Waiting.Calm, mine.Waiting.CalmRounds = against(byKeys, rates(calms))
	mine.Waiting.Bare, mine.Waiting.BareRounds = against(byKeys, bares)
	rows := []row{mine}
	if few != nil {
		serial := rowOf(less, perPartition, serials)
		serial.Waiting.Bare, serial.Waiting.BareRounds = against(serials, few6)
		rows = append(rows, serial)
	}
	return rows, nil
}

// against compares records per second of each round.
func against(mine []work.Sample, others []float64) (middle float64, all []float64) {
	if len(others) == 0 {
		return 0, nil
	}
	for i, s := range mine {
		all = append(all, rateOf(s)/others[i])
	}
	return median(all), all
}

func rates(samples []work.Sample) []float64 {
	all := make([]float64, len(samples))
	for i, s := range samples {
		all[i] = rateOf(s)
	}
	return all
}

// sideTable has the works in which handlers wait, as sideBySide shows them.
func sideTable(rows []row, _ []string) string {
	var b strings.Builder
	b.WriteString("| work | by key, records/s | / bare handlers | of each round | serial / as many bare | by key / serial " +
		"| with / without the failing key | wanted | rounds |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, s := range sides {
		mine := pick(rows, s.Name, judgedGOGC)
		if find(mine, byKey) == nil {
			continue
		}
		f := sideFigures(s, mine)
		f = slices.Concat([]string{s.About}, f[:2], []string{inEach("%.2f", find(mine, byKey).Waiting.BareRounds)}, f[2:len(f)-1])
		fmt.Fprintf(&b, "| %s |\n", strings.Join(f, " | "))
	}
	return b.String()
}

func contenderOf(name string) contender {
	return contenders[slices.IndexFunc(contenders, func(c contender) bool { return c.Name == name })]
}

// rateOf is records per second from the first record to the last.
func rateOf(s work.Sample) float64 { return float64(s.Records) / s.Span.Seconds() }
