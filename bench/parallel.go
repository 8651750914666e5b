package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/karafgo/karafgo/bench/internal/work"
)

// The clients of parallel-consumer: by key, and partition by partition.
const (
	parallelKeys       = "parallel-consumer"
	parallelPartitions = "parallel-consumer-partitions"
)

// pairs are clients that handle records side by side, each with what it does partition by partition.
var pairs = []struct{ keys, serial string }{{byKey, perPartition}, {parallelKeys, parallelPartitions}}

// beside are the works of parallel-consumer. 300,000 records of a partition take long enough for its commits to show: when what it has
// handled out of turn does not fit into the metadata of a commit, which holds 4 KiB, it takes no records of that partition until a later
// commit. 100,000 can be over before the first.
var beside = []side{
	{workload: waiting("wait-10000-keys", "2 ms handler, 6 partitions, 10,000 keys, 256 at once", six, tenThousand, 256, func(w *workload) {
		w.Sleep, w.Records = 2*time.Millisecond, 600_000
	}), serial: 6_000},
	{workload: waiting("wait-1000-keys", "0 to 5 ms handler, 1 partition, 1,000 keys, 100 at once, 300,000 records", 1, 1000, 100,
		func(w *workload) {
			w.Sleep, w.Spread, w.Records = 5*time.Millisecond, true, 300_000
		}), serial: 1_000},
	{workload: waiting("wait-1000-keys-short", "the same, 100,000 records", 1, 1000, 100, func(w *workload) {
		w.Sleep, w.Spread, w.Records = 5*time.Millisecond, true, 100_000
	}), serial: 1_000},
	{workload: waiting("wait-20-keys", "the same handler, 20 keys", 1, 20, 100, func(w *workload) {
		w.Sleep, w.Spread, w.Records = 5*time.Millisecond, true, 40_000
	}), serial: 1_000},
	{workload: waiting("wait-1-key", "the same handler, 1 key", 1, 1, 100, func(w *workload) {
		w.Sleep, w.Spread, w.Records = 5*time.Millisecond, true, 2_000
	}), serial: 1_000},
}

func loads(of []side) []workload {
	list := make([]workload, len(of))
	for i, s := range of {
		list[i] = s.workload
	}
	return list
}

// buildJava has Maven compile a program beside the Go ones, with its jars.
func (d *driver) buildJava(program string) error {
	for _, tool := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			return err
		}
	}
	dir := filepath.Join(d.dir, program)
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("clients", program))); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "building", program)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "mvn", "-q", "-B", "compile", "dependency:copy-dependencies", "-DoutputDirectory=jars")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build it: %w (does Maven reach Maven Central?)\n%s", err, out)
	}
	return nil
}

// javaCommand runs what buildJava built, with Java's defaults.
func javaCommand(dir string) []string {
	return []string{"java", "-cp", filepath.Join(dir, "target", "classes") + ":" + filepath.Join(dir, "jars", "*"), "Parallel"}
}

// besideParallelConsumer measures handlers that wait beside those of parallel-consumer; without Java or Maven, karafgo alone.
func (d *driver) besideParallelConsumer(out io.Writer) error {
	taking := pairs
	if err := d.buildJava("parallel"); err != nil {
		fmt.Fprintln(os.Stderr, "parallel-consumer is left out:", err)
		taking = pairs[:1]
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight) //nolint:mnd // two spaces between columns
	fmt.Fprintln(t, "client\trecords/s\t/ its partition by partition\t/ karafgo by key\tCPU ns/record\tRSS MiB\trounds\twork\t")
	var rows []row
	for _, s := range beside {
		samples, err := d.besideOf(s, taking)
		if err != nil {
			return fmt.Errorf("%s: %w", s.About, err)
		}
		for _, p := range taking {
			mine := samples[p.keys]
			r := rowOf(s.workload, p.keys, mine)
			r.Waiting.Serial, r.Waiting.SerialRounds = against(mine, rates(samples[p.serial]))
			r.Waiting.Karafgo, r.Waiting.KarafgoRounds = against(mine, rates(samples[byKey]))
			fmt.Fprintf(t, "%s\t%.0f\t%.1f\t%.2f\t%.0f\t%.0f\t%d\t%s\t\n", r.Client, r.RecordsPerSecond, r.Waiting.Serial,
				r.Waiting.Karafgo, r.NanosPerRecord, r.RSS, r.Rounds, s.About)
			rows = append(rows, r)
		}
		_ = t.Flush() // nobody to tell
		if d.o.out != "" {
			if err := save(d.o.out, rows); err != nil {
				return err
			}
		}
	}
	return nil
}

// besideOf runs the clients of one work in turns.
func (d *driver) besideOf(s side, taking []struct{ keys, serial string }) (samples map[string][]work.Sample, err error) {
	full, err := setStage(s.workload, d.o.brokers, d.o.percent)
	if err != nil {
		return nil, err
	}
	defer full.close()
	less := s.workload
	less.Records = s.serial
	few, err := setStage(less, d.o.brokers, 100) //nolint:mnd // per cent
	if err != nil {
		return nil, err
	}
	defer few.close()
	samples = map[string][]work.Sample{}
	for r := range d.o.rounds {
		for i := range taking {
			p := taking[(i+r)%len(taking)] // nobody is always first
			for name, on := range map[string]*stage{p.keys: full, p.serial: few} {
				sample, err := d.run(s.workload, contenderOf(name), on, judgedGOGC)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", name, err)
				}
				fmt.Fprintf(os.Stderr, "%s round %d %-28s %9.0f records/s\n", s.Name, r+1, name, rateOf(sample))
				samples[name] = append(samples[name], sample)
			}
		}
	}
	return samples, nil
}

// rowOf summarises one client.
func rowOf(w workload, client string, mine []work.Sample) row {
	each := func(fn func(i int) float64) (middle float64, all []float64) {
		for i := range mine {
			all = append(all, fn(i))
		}
		return median(all), all
	}
	var v waiters
	r := row{Work: w.Name, Client: client, GOGC: judgedGOGC, Rounds: len(mine), Waiting: &v}
	r.RecordsPerSecond, v.Rounds = each(func(i int) float64 { return rateOf(mine[i]) })
	r.NanosPerRecord, _ = each(func(i int) float64 { return float64(mine[i].CPU) / float64(mine[i].Records) })
	r.AllocsPerRecord, _ = each(func(i int) float64 { return float64(mine[i].Mallocs) / float64(mine[i].Records) })
	r.RSS, _ = each(func(i int) float64 { return mine[i].RSS })
	r.First, _ = each(func(i int) float64 { return millis(mine[i].First) })
	r.Close, _ = each(func(i int) float64 { return millis(mine[i].Close) })
	return r
}

// parallelTable compares karafgo with parallel-consumer, by key.
func parallelTable(rows []row, _ []string) string {
	var b strings.Builder
	b.WriteString("| work | client | records/s | of each round | / its own, partition by partition | / karafgo | CPU µs per record " +
		"| RSS MiB |\n|---|---|---|---|---|---|---|---|\n")
	for _, s := range beside {
		for _, p := range pairs {
			r := find(pick(rows, s.Name, judgedGOGC), p.keys)
			if r == nil {
				continue
			}
			fmt.Fprintf(&b, "| %s | %s | %.0f | %s | %.1f | %.2f | %.1f | %.0f |\n", s.About, r.Client, r.RecordsPerSecond,
				inEach("%.0f", r.Waiting.Rounds), r.Waiting.Serial, r.Waiting.Karafgo, r.NanosPerRecord/1000, r.RSS) //nolint:mnd // µs
		}
	}
	return b.String()
}
