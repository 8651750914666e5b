package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// table is a place in the document: what stands between its two comments is written anew.
var table = regexp.MustCompile(`(?s)(<!-- bench: ([^>]+?) -->\n).*?(<!-- bench end -->)`)

// document writes the tables of a page: those of main and growth about works, one about CPU and one about all else.
func document(results, page string) error {
	rows, err := load(results)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	var unknown []string
	out := table.ReplaceAllStringFunc(string(text), func(found string) string {
		part := table.FindStringSubmatch(found)
		words := strings.Fields(part[2])
		write, ok := tables[words[0]]
		if !ok {
			unknown = append(unknown, words[0])
			return found
		}
		return part[1] + write(rows, words[1:]) + part[3]
	})
	if len(unknown) > 0 {
		return fmt.Errorf("%s: no table %q", page, unknown)
	}
	return os.WriteFile(page, []byte(out), 0o600) //nolint:mnd,gosec // read and write, what was named
}

var tables = map[string]func(rows []row, args []string) string{
	"main":    mainTable,
	"cpu":     cpuTable,
	"figures": figuresTable,
	"growth":  growthTable,
	"outputs": outputsTable,

	"parallel-consumer": parallelTable,
	"side-by-side":      sideTable,
}

func pick(rows []row, work, gogc string) []row {
	return slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return r.Work != rowWork(work, gogc) })
}

// rowWork is a work's name in the rows: one row for a work and a client is what is judged, others say so in the name.
func rowWork(work, gogc string) string {
	if gogc == judgedGOGC {
		return work
	}
	return work + gogcMark + gogc
}

const gogcMark = "-gogc-"

func find(rows []row, client string) *row {
	if i := slices.IndexFunc(rows, func(r row) bool { return r.Client == client }); i >= 0 {
		return &rows[i]
	}
	return nil
}

const judgedGOGC = "400"

// inEach are the values of all rounds.
func inEach(format string, rounds []float64) string {
	texts := make([]string, len(rounds))
	for i, v := range rounds {
		texts[i] = fmt.Sprintf(format, v)
	}
	return strings.Join(texts, " ")
}

// mainTable has everything about a work: main WORK GOGC.
func mainTable(rows []row, args []string) string {
	mine := pick(rows, args[0], args[1])
	slices.SortStableFunc(mine, func(a, b row) int { return int(1e6 * (a.CPU - b.CPU)) })
	var b strings.Builder
	b.WriteString("| client | CPU ratio | of each round | throughput ratio | CPU ns per record | allocations per record | RSS MiB |\n" +
		"|---|---|---|---|---|---|---|\n")
	for _, r := range mine {
		fmt.Fprintf(&b, "| %s | %.2f | %s | %.2f | %.0f | %.3f | %.0f |\n", r.Client, r.CPU, inEach("%.2f", r.CPURounds),
			r.Throughput, r.NanosPerRecord, r.AllocsPerRecord, r.RSS)
	}
	return b.String()
}

// outputsTable has what counts of a work with outputs: outputs WORK.
func outputsTable(rows []row, args []string) string {
	mine := pick(rows, args[0], judgedGOGC)
	slices.SortStableFunc(mine, func(a, b row) int { return int(1e6 * (b.Throughput - a.Throughput)) })
	var b strings.Builder
	b.WriteString("| client | throughput ratio | of each round | CPU ratio | of each round | CPU ns per record | allocations per record " +
		"| RSS MiB |\n|---|---|---|---|---|---|---|---|\n")
	for _, r := range mine {
		fmt.Fprintf(&b, "| %s | %.2f | %s | %.2f | %s | %.0f | %.2f | %.0f |\n", r.Client, r.Throughput, inEach("%.2f", r.ThroughputRounds),
			r.CPU, inEach("%.2f", r.CPURounds), r.NanosPerRecord, r.AllocsPerRecord, r.RSS)
	}
	return b.String()
}

// clientsOf are those that take part in one of the works, in the order in which they stand in the list.
func clientsOf(rows []row, works []string) (names []string) {
	for _, c := range contenders {
		for _, w := range works {
			if find(pick(rows, w, judgedGOGC), c.Name) != nil {
				names = append(names, c.Name)
				break
			}
		}
	}
	return names
}

// cpuTable compares the CPU of all clients over works: cpu WORK...
func cpuTable(rows []row, works []string) string {
	return matrix(rows, works, works, func(_ string, r *row) string { return fmt.Sprintf("%.2f", r.CPU) })
}

// figuresTable has what works are about that is not CPU: figures.
func figuresTable(rows []row, _ []string) string {
	works := []string{"sleep-2ms", string(judgeLatency), "idle-100p", "rebalance-100p", backlog, "noop-100b"}
	titles := []string{
		"2 ms handler, 6 partitions: throughput ratio", "from production to handler, p50 and p99, ms",
		"100 idle partitions, % of a processor", "a second member has its 50 of 100 partitions, ms", "1 GiB backlog, RSS MiB",
		"to the first record, and to close, ms",
	}
	return matrix(rows, works, titles, func(work string, r *row) string {
		switch work {
		case "sleep-2ms":
			return fmt.Sprintf("%.2f", r.Throughput)
		case "idle-100p":
			return fmt.Sprintf("%.2f", r.Idle)
		case "rebalance-100p":
			return fmt.Sprintf("%.0f", r.Rebalance)
		case backlog:
			return fmt.Sprintf("%.0f", r.RSS)
		case string(judgeLatency):
			return fmt.Sprintf("%.2f, %.2f", r.P50, r.P99)
		default:
			return fmt.Sprintf("%.0f, %.0f", r.First, r.Close)
		}
	})
}

func matrix(rows []row, works, titles []string, cell func(work string, r *row) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| client | %s |\n|---|%s\n", strings.Join(titles, " | "), strings.Repeat("---|", len(works)))
	for _, name := range clientsOf(rows, works) {
		b.WriteString("| " + name + " |")
		for _, w := range works {
			text := ""
			if r := find(pick(rows, w, judgedGOGC), name); r != nil {
				text = cell(w, r)
			}
			b.WriteString(" " + text + " |")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// growthTable shows how cost grows: growth KIND.
func growthTable(rows []row, args []string) string {
	kind := args[0]
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | raw-kgo ns | karafgo-each ns | ratio | karafgo-batch ns | ratio |\n|---|---|---|---|---|---|\n", kind)
	for _, w := range works {
		step, ok := strings.CutPrefix(w.Name, kind+"-")
		if !ok || !w.Growth {
			continue
		}
		mine := pick(rows, w.Name, judgedGOGC)
		base, each, batch := find(mine, raw), find(mine, "karafgo-each"), find(mine, "karafgo-batch")
		if base == nil || each == nil || batch == nil {
			continue
		}
		fmt.Fprintf(&b, "| %s | %.0f | %.0f | %.2f | %.0f | %.2f |\n", step, base.NanosPerRecord, each.NanosPerRecord, each.CPU,
			batch.NanosPerRecord, batch.CPU)
	}
	return b.String()
}
