package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/devbroker"
)

const (
	partitions = 4
	accounts   = 20
	processes  = 2
	copyEvery  = 7 // a producer that got no answer writes every seventh message again
	moveEvery  = 4 // crashes of a process, after which it does not come back on the same host
	tick       = 100 * time.Millisecond
	session    = 300 * time.Millisecond
)

// demo does one run after the other, and returns what became of them. A run that was interrupted is left out.
func demo(ctx context.Context, o options, stderr io.Writer) (*summary, error) {
	s := &summary{Pattern: o.pattern, Database: "SQLite", Crash: o.crash, BooksRight: true}
	if o.postgres != "" {
		s.Database = "PostgreSQL"
	}
	for n := 1; ctx.Err() == nil && (o.runs == 0 || n <= o.runs); n++ {
		r, err := o.run(ctx, stderr)
		switch {
		case ctx.Err() != nil: // what it has written is in no end state
		case err != nil:
			return s, fmt.Errorf("run %d: %w", n, err)
		default:
			s.add(r)
			_, _ = fmt.Fprintf(stderr, "run %3d: %s\n", n, r)
		}
	}
	return s, nil
}

// run is one run: a world of its own, two processes that consume it and crash, and the books that are looked at in the end.
func (o options) run(ctx context.Context, stderr io.Writer) (*result, error) {
	broker, err := devbroker.Start(devbroker.Topic(transactions, partitions))
	if err != nil {
		return nil, err
	}
	defer broker.Close()
	driver, source, drop, err := newDatabase(ctx, o.postgres)
	if err != nil {
		return nil, err
	}
	defer drop()
	t, err := open(ctx, driver, source)
	if err != nil {
		return nil, err
	}
	defer t.close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker.Addrs()...), kgo.ClientID("bank-world"))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	r := &result{}
	if r.records, err = produce(ctx, cl, o.transactions); err != nil {
		return nil, err
	}
	c := consuming{pattern: o.pattern, crash: o.crash, brokers: broker.Addrs(), driver: driver, source: source, stderr: stderr}
	if r.crashes, err = c.untilConsumed(ctx, kadm.NewClient(cl)); err != nil {
		return nil, err
	}
	want, err := recompute(ctx, broker.Addrs(), r.records, o.pattern != stored)
	if err != nil {
		return nil, err
	}
	have, err := t.balances(ctx)
	if err != nil {
		return nil, err
	}
	r.compare(want, have)
	return r, nil
}

// produce writes n transactions, some of them twice, and returns how many records that makes.
func produce(ctx context.Context, cl *kgo.Client, n int) (records int, err error) {
	var recs []*kgo.Record
	for i := range n {
		t := Transaction{Account: fmt.Sprintf("acc-%02d", rand.IntN(accounts)), Cents: rand.IntN(20_000) - 10_000}
		value, err := json.Marshal(t)
		if err != nil {
			return 0, err
		}
		header := kgo.RecordHeader{Key: messageID, Value: []byte("m-" + strconv.Itoa(i))}
		recs = append(recs, &kgo.Record{Topic: transactions, Key: []byte(t.Account), Value: value, Headers: []kgo.RecordHeader{header}})
		if i%copyEvery == copyEvery-1 {
			was := recs[len(recs)-1-rand.IntN(copyEvery)] // at once, or some others later
			recs = append(recs, &kgo.Record{Topic: was.Topic, Key: was.Key, Value: was.Value, Headers: was.Headers})
		}
	}
	if err := cl.ProduceSync(ctx, recs...).FirstErr(); err != nil {
		return 0, fmt.Errorf("produce transactions: %w", err)
	}
	return len(recs), nil
}

// untilConsumed runs the processes until everything is consumed, and returns how often they have crashed.
func (c consuming) untilConsumed(ctx context.Context, admin *kadm.Client) (int, error) {
	running, stop := context.WithCancel(ctx)
	defer stop()
	var crashes atomic.Int64
	var errs [processes + 1]error
	var all sync.WaitGroup
	for i := range processes {
		all.Go(func() {
			if errs[i] = c.keepRunning(running, "bank-"+strconv.Itoa(i), &crashes); errs[i] != nil {
				stop()
			}
		})
	}
	all.Go(func() {
		errs[processes] = consumed(running, admin)
		stop()
	})
	all.Wait()
	return int(crashes.Load()), errors.Join(errors.Join(errs[:]...), ctx.Err())
}

// keepRunning runs a consumer process until ctx ends, and starts it anew whenever it has crashed: under its name, by which it gets its
// partitions back at once, and now and then under another, so that the other process takes them over first.
func (c consuming) keepRunning(ctx context.Context, name string, crashes *atomic.Int64) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for own := 0; ctx.Err() == nil; {
		instance := fmt.Sprintf("%s-%d", name, own/moveEvery)
		cmd := exec.CommandContext(context.WithoutCancel(ctx), self, "consume", "--pattern", c.pattern, //nolint:gosec // it is this program
			"--crash", strconv.FormatFloat(c.crash, 'g', -1, 64), "--brokers", c.brokers[0], "--instance", instance,
			"--driver", c.driver, "--source", c.source)
		cmd.Stderr = c.stderr
		untilClosed, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("start %s: %w", instance, err)
		}
		stopped := context.AfterFunc(ctx, func() { _ = untilClosed.Close() })
		err = cmd.Wait()
		stopped()
		switch {
		case cmd.ProcessState.ExitCode() == crashed:
			crashes.Add(1)
			own++
		case err != nil:
			return fmt.Errorf("%s: %w", instance, err)
		case ctx.Err() == nil:
			return fmt.Errorf("%s has stopped without being told to", instance)
		}
	}
	return nil
}

// consumed returns when the group has committed everything in Kafka, or ctx ends. Where offsets are in the database, Kafka's follow.
func consumed(ctx context.Context, admin *kadm.Client) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		switch left, err := lag(ctx, admin); {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case left == 0:
			return nil
		}
	}
}

func lag(ctx context.Context, admin *kadm.Client) (left int64, err error) {
	committed, err := admin.FetchOffsets(ctx, group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return 0, fmt.Errorf("read offsets: %w", err)
	}
	ends, err := admin.ListEndOffsets(ctx, transactions)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("read end offsets: %w", err)
	}
	ends.Each(func(end kadm.ListedOffset) {
		left += end.Offset
		if o, ok := committed.Lookup(end.Topic, end.Partition); ok {
			left -= max(o.At, 0)
		}
	})
	return left, nil
}
