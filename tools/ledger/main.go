// Command ledger is the long check of what karafgo promises. A producer writes numbered records, consumer processes write down what they
// have handled, and a nemesis starts, stops, kills and freezes processes and brokers, moves leaders, adds partitions and disturbs the
// network. At the end the books are compared: nothing lost, nothing out of order, nothing committed that was not done, and nothing in a
// retry topic, among the dead letters or among the outputs that does not belong there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	topic = "ledger"
	group = "ledger"
)

// options of a run.
type options struct {
	broker     string
	brokers    int
	duration   time.Duration
	seed       uint64
	members    int
	partitions int
	rate       int
	dir        string
	faults     string
	byKey      bool
	failing    bool
	respond    bool
	exactly    bool
	patience   time.Duration
}

// What consumers do, by the flags that ask for it.
const (
	modeByKey   = "by-key"
	modeFailing = "failing"
	modeRespond = "respond"
	modeExactly = "exactly-once"
)

// modes are those that are set, separated by commas.
func (o options) modes() string {
	var set []string
	for name, is := range map[string]bool{modeByKey: o.byKey, modeFailing: o.failing, modeRespond: o.respond, modeExactly: o.exactly} {
		if is {
			set = append(set, name)
		}
	}
	return strings.Join(set, ",")
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ledger:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "produce":
			return produce(ctx, os.Args[2:])
		case "consume":
			return consume(ctx, os.Args[2:])
		}
	}
	var o options
	flag.StringVar(&o.broker, "broker", "kfake", "kfake: the embedded broker; kafka: Apache Kafka, which needs Java and Maven")
	flag.IntVar(&o.brokers, "brokers", 3, "how many brokers")
	flag.DurationVar(&o.duration, "duration", time.Minute, "how long the nemesis is about")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "what the nemesis does depends on it; it is printed")
	flag.IntVar(&o.members, "members", 6, "the most consumer processes at a time, 3 to 12")
	flag.IntVar(&o.partitions, "partitions", 12, "partitions at the beginning")
	flag.IntVar(&o.rate, "rate", 1000, "records per second")
	flag.StringVar(&o.dir, "dir", "", "keep the journals in this folder; empty for a temporary one, which is removed when the books agree")
	flag.StringVar(&o.faults, "faults", "", "only these, separated by commas: "+strings.Join(faultNames(), ", "))
	flag.BoolVar(&o.byKey, modeByKey, false, "handlers run side by side, in order by key, and every 1009th takes 200 ms")
	flag.BoolVar(&o.failing, modeFailing, false,
		"handlers fail: for some records at first, for some until they are in a retry topic, for some for ever, "+
			"which are dead-lettered; every 1009th takes 200 ms")
	flag.BoolVar(&o.respond, modeRespond, false, "handlers write up to two outputs for each record, to two topics")
	flag.BoolVar(&o.exactly, modeExactly, false,
		"the same in transactions, which have the offsets too: each record's outputs must be there exactly once")
	flag.DurationVar(&o.patience, "patience", 2*time.Minute, "how long the group may take to be done after the last fault")
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", flag.Arg(0))
	}
	for name := range strings.SplitSeq(o.faults, ",") {
		if o.faults != "" && !slices.Contains(faultNames(), name) {
			return fmt.Errorf("-faults: no fault %q; there are %s", name, strings.Join(faultNames(), ", "))
		}
	}
	if o.exactly && o.byKey {
		return errors.New("-exactly-once is not for -by-key")
	}
	o.respond = o.respond || o.exactly
	if o.members < least || o.members > 12 {
		return errors.New("-members must be 3 to 12")
	}
	temporary := o.dir == ""
	if temporary {
		dir, err := os.MkdirTemp("", "karafgo-ledger-")
		if err != nil {
			return err
		}
		o.dir = dir
	} else if err := os.MkdirAll(o.dir, 0o750); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "ledger: -broker %s -brokers %d -duration %s -seed %d -members %d; journals are in %s\n",
		o.broker, o.brokers, o.duration, o.seed, o.members, o.dir)
	sum, err := check(ctx, o)
	if err != nil {
		return fmt.Errorf("%w (journals are in %s)", err, o.dir)
	}
	fmt.Println(sum)
	if len(sum.breaches) > 0 {
		return fmt.Errorf("%d breaches; journals are in %s, seed %d", len(sum.breaches), o.dir, o.seed)
	}
	if temporary {
		return os.RemoveAll(o.dir)
	}
	return nil
}

// check does the whole run.
func check(ctx context.Context, o options) (*summary, error) {
	c, err := startCluster(ctx, o)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if err := c.create(ctx, o); err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(o.seed, o.seed))
	crew, err := hire(o, c)
	if err != nil {
		return nil, err
	}
	defer crew.dismiss()
	watching, stopWatching := context.WithCancel(ctx)
	seen := make(chan samples, 1)
	go func() { seen <- c.observe(watching, o.writtenTo()) }()
	n := &nemesis{o: o, c: c, crew: crew, random: random, began: time.Now()}
	n.rage(ctx)
	if err := ctx.Err(); err != nil {
		stopWatching()
		return nil, err
	}
	healed := time.Now()
	if err := n.heal(ctx); err != nil {
		stopWatching()
		return nil, err
	}
	if err := crew.stopProducer(); err != nil {
		stopWatching()
		return nil, err
	}
	drained := c.drain(ctx, consumed(o.failing), o.patience)
	recovery := time.Since(healed)
	unclean := crew.stopConsumers()
	stopWatching()
	books, err := read(o)
	if err != nil {
		return nil, err
	}
	undone, err := c.fill(ctx, o, books)
	if err != nil {
		return nil, err
	}
	sum := books.compare(<-seen)
	sum.undone = undone
	sum.recovery, sum.faults, sum.seed = recovery, n.done, o.seed
	if drained != nil {
		sum.breachf("I6: %v", drained)
	}
	for _, text := range unclean {
		sum.breachf("%s", text)
	}
	return sum, nil
}

// fill reads what the group wrote, and tells how many outputs are in transactions that were aborted.
func (c *cluster) fill(ctx context.Context, o options, b *books) (undone int, err error) {
	level := kgo.ReadUncommitted()
	if o.exactly {
		level = kgo.ReadCommitted()
		if err := c.awaitEnds(ctx, o.writtenTo()); err != nil {
			return 0, err
		}
	}
	if o.failing {
		if b.forwarded, err = c.read(ctx, level, forwardedTo()...); err != nil {
			return 0, err
		}
	}
	if !o.respond {
		return 0, nil
	}
	if b.outputs, err = c.read(ctx, level, answeredTo()...); err != nil || !o.exactly {
		return 0, err
	}
	all, err := c.read(ctx, kgo.ReadUncommitted(), answeredTo()...)
	return len(all) - len(b.outputs), err
}
