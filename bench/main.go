// Command bench measures what karafgo costs beside raw franz-go and beside what else a Go team would pick. Every client is a process of its
// own and consumes the same records, from a broker in a process of its own or from a cluster, in interleaved rounds. What counts is the
// ratio to raw franz-go within a round.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == brokerArg {
		exit(serveBroker())
	}
	var o options
	flag.IntVar(&o.rounds, "rounds", 7, "rounds of all clients")
	flag.IntVar(&o.percent, "percent", 100, "percentage of the records of every work, up to 1000")
	flag.StringVar(&o.works, "works", quick, "works, separated by commas; all for every one, none to draw plots only. "+names(works))
	flag.StringVar(&o.clients, "clients", "", "only these clients, separated by commas, and raw-kgo")
	flag.StringVar(&o.gogc, "gogc", "400", "GOGC of the clients, separated by commas: 400,100")
	flag.StringVar(&o.brokers, "brokers", "",
		"measure with this cluster instead of the embedded broker: makes topics named bench-*, and deletes them")
	flag.StringVar(&o.out, "out", "", "write the rows to this file as JSON, in place of those of the same work and client")
	flag.StringVar(&o.plots, "plots", "", "draw plots of the file of -out into this directory, as SVG")
	flag.StringVar(&o.docs, "docs", "", "write the tables of this page anew, from the file of -out")
	flag.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of this client, to <client>.pprof")
	flag.BoolVar(&o.requests, "requests", false, "instead, count the requests per second that a process makes (5 minutes)")
	flag.BoolVar(&o.side, "side-by-side", false, "instead, measure handlers that wait, side by side by key (5 minutes)")
	flag.BoolVar(&o.parallel, "parallel-consumer", false,
		"instead, measure handlers that wait beside Confluent's parallel-consumer, on the cluster of -brokers (Java 17, Maven; 25 minutes)")
	flag.Parse()
	if flag.NArg() > 0 {
		exit(fmt.Errorf("unknown argument %q", flag.Arg(0)))
	}
	exit(run(o))
}

// quick is what make bench runs.
const quick = "noop-100b"

type options struct {
	requests, side, parallel                                 bool
	rounds, percent                                          int
	works, clients, gogc, brokers, out, plots, docs, profile string
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func names(ws []workload) string {
	list := make([]string, len(ws))
	for i, w := range ws {
		list[i] = w.Name
	}
	return strings.Join(list, ", ")
}

func run(o options) error {
	chosen, err := choose(o)
	if err != nil {
		return err
	}
	if o.parallel && o.brokers == "" {
		return errors.New("-parallel-consumer needs -brokers; make bench-parallel starts Apache Kafka for it")
	}
	if len(chosen) == 0 && !o.requests && !o.side && !o.parallel {
		return plots(o)
	}
	d, err := newDriver(o)
	if err != nil {
		return err
	}
	defer d.close()
	if o.side {
		if err := d.sideBySide(os.Stdout); err != nil {
			return err
		}
		return plots(o)
	}
	if o.parallel {
		if err := d.besideParallelConsumer(os.Stdout); err != nil {
			return err
		}
		return plots(o)
	}
	if o.requests {
		return d.countRequests(os.Stdout)
	}
	var rows []row
	for _, w := range chosen {
		for gogc := range strings.SplitSeq(o.gogc, ",") {
			more, err := d.measure(w, gogc)
			if err != nil {
				return fmt.Errorf("%s: %w", w.Name, err)
			}
			show(os.Stdout, w, more)
			rows = append(rows, more...)
			if o.out != "" { // after every work: a long run that is cut off keeps what it has
				if err := save(o.out, rows); err != nil {
					return err
				}
			}
		}
	}
	return plots(o)
}

// plots draws, and writes tables, of what was measured now and before.
func plots(o options) error {
	if o.out == "" && (o.plots != "" || o.docs != "") {
		return errors.New("-plots and -docs show what -out names")
	}
	if o.plots != "" {
		if err := draw(o.out, o.plots); err != nil {
			return err
		}
	}
	if o.docs != "" {
		return document(o.out, o.docs)
	}
	return nil
}

func choose(o options) ([]workload, error) {
	if o.rounds < 1 || o.percent < 1 || o.percent > 1000 {
		return nil, errors.New("-rounds must be 1 or more, -percent 1 to 1000")
	}
	switch o.works {
	case "all":
		return works, nil
	case "none":
		return nil, nil
	}
	var chosen []workload
	for name := range strings.SplitSeq(o.works, ",") {
		i := slices.IndexFunc(works, func(w workload) bool { return w.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("no work %q; there are %s", name, names(works))
		}
		chosen = append(chosen, works[i])
	}
	return chosen, nil
}
