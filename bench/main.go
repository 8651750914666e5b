// Command bench measures what karafgo costs beside raw franz-go: every client is its own process and consumes the same records from a
// broker in a process of its own, in interleaved rounds. What counts is the ratio within a round.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

const (
	topic      = "bench"
	partitions = 6
	valueSize  = 100
	raw        = "raw-kgo"
)

var clients = []string{raw, "karafgo-each", "karafgo-each-middleware", "karafgo-batch"}

// sample is what one client process measured.
type sample struct {
	Client  string  `json:"client"`
	GOGC    string  `json:"gogc"`
	Records int     `json:"records"`
	Wall    float64 `json:"wall_seconds"`
	CPU     float64 `json:"cpu_seconds"`
	Mallocs uint64  `json:"mallocs"`
	RSS     float64 `json:"rss_mib"`
	Touched int64   `json:"touched"`
}

// row is a line of results.json.
type row struct {
	Work            string    `json:"work"`
	Client          string    `json:"client"`
	GOGC            string    `json:"gogc"`
	Throughput      float64   `json:"throughput_ratio"`
	CPU             float64   `json:"cpu_ratio"`
	CPURounds       []float64 `json:"cpu_ratio_rounds"`
	NanosPerRecord  float64   `json:"cpu_ns_per_record"`
	AllocsPerRecord float64   `json:"allocs_per_record"`
	RSS             float64   `json:"rss_mib"`
	Rounds          int       `json:"rounds"`
}

func main() {
	rounds := flag.Int("rounds", 7, "rounds of all clients")
	records := flag.Int("records", 2_000_000, "records of 100 bytes, over 6 partitions")
	gogc := flag.String("gogc", "400", "GOGC of the clients, separated by commas: 400,100")
	out := flag.String("out", "results.json", "where to write the results; empty for nowhere")
	profile := flag.String("cpuprofile", "", "write a CPU profile of this client, to <client>.pprof")
	child := flag.String("child", "", "internal: run as broker or as this client")
	addr := flag.String("addr", "", "internal: the broker")
	flag.Parse()
	var err error
	switch {
	case *child == "broker":
		err = broker(*records)
	case *child != "":
		err = client(*child, *addr, *records, *profile)
	default:
		err = drive(*rounds, *records, strings.Split(*gogc, ","), *out, *profile)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func drive(rounds, records int, gogcs []string, out, profile string) error {
	addr, stop, err := startBroker(records)
	if err != nil {
		return err
	}
	defer stop()
	var samples [][]sample
	for _, gogc := range gogcs {
		for r := range rounds {
			round := make([]sample, 0, len(clients))
			for i := range clients {
				name := clients[(i+r)%len(clients)] // nobody is always first
				s, err := runClient(name, addr, records, gogc, profile)
				if err != nil {
					return err
				}
				fmt.Fprintf(os.Stderr, "GOGC %s round %d %-24s %6.0f ns CPU per record  %8.0f records/s  %.3f allocations per record\n",
					gogc, r+1, name, s.CPU/float64(records)*1e9, float64(records)/s.Wall, float64(s.Mallocs)/float64(records))
				round = append(round, s)
			}
			samples = append(samples, round)
		}
	}
	rows := summarise(samples, records)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "GOGC\tclient\tCPU ns/record\tCPU ratio\tthroughput ratio\tallocations/record\tRSS MiB\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%.0f\t%.3f\t%.3f\t%.4f\t%.0f\t\n",
			r.GOGC, r.Client, r.NanosPerRecord, r.CPU, r.Throughput, r.AllocsPerRecord, r.RSS)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if out == "" {
		return nil
	}
	data, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(out, append(data, '\n'), 0o600)
}

func summarise(rounds [][]sample, records int) []row {
	type key struct{ gogc, client string }
	byClient := map[key][][2]sample{}
	var order []key
	for _, round := range rounds {
		var base sample
		for _, s := range round {
			if s.Client == raw {
				base = s
			}
		}
		for _, name := range clients {
			for _, s := range round {
				if s.Client != name {
					continue
				}
				k := key{s.GOGC, name}
				if byClient[k] == nil {
					order = append(order, k)
				}
				byClient[k] = append(byClient[k], [2]sample{s, base})
			}
		}
	}
	var rows []row
	for _, k := range order {
		pairs := byClient[k]
		pick := func(fn func(s, base sample) float64) []float64 {
			values := make([]float64, len(pairs))
			for i, p := range pairs {
				values[i] = fn(p[0], p[1])
			}
			return values
		}
		n := float64(records)
		cpu := pick(func(s, b sample) float64 { return s.CPU / b.CPU })
		rows = append(rows, row{
			Work: "noop-100b", Client: k.client, GOGC: k.gogc, Rounds: len(pairs),
			CPU: median(cpu), CPURounds: cpu,
			Throughput:      median(pick(func(s, b sample) float64 { return b.Wall / s.Wall })),
			NanosPerRecord:  median(pick(func(s, _ sample) float64 { return s.CPU / n * 1e9 })),
			AllocsPerRecord: median(pick(func(s, _ sample) float64 { return float64(s.Mallocs) / n })),
			RSS:             median(pick(func(s, _ sample) float64 { return s.RSS })),
		})
	}
	return rows
}

func median(values []float64) float64 {
	sorted := slices.SortedFunc(slices.Values(values), cmp.Compare)
	return sorted[len(sorted)/2]
}

func startBroker(records int) (addr string, stop func(), err error) {
	cmd := exec.Command(os.Args[0], "-child", "broker", "-records", strconv.Itoa(records)) //nolint:gosec,noctx // itself
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = stdin.Close() // the broker ends with its standard input
		_ = cmd.Wait()
	}
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() {
		stop()
		return "", nil, fmt.Errorf("broker did not start: %w", lines.Err())
	}
	return lines.Text(), stop, nil
}

func runClient(name, addr string, records int, gogc, profile string) (s sample, err error) {
	args := []string{"-child", name, "-addr", addr, "-records", strconv.Itoa(records)}
	if profile == name {
		args = append(args, "-cpuprofile", name+".pprof")
	}
	cmd := exec.Command(os.Args[0], args...) //nolint:gosec,noctx // itself
	cmd.Env = append(os.Environ(), "GOGC="+gogc)
	cmd.Stderr = os.Stderr
	data, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("client %s: %w", name, err)
	}
	err = json.Unmarshal(data, &s)
	s.GOGC = gogc
	return s, err
}
