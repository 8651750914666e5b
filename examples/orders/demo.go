package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/fx"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/devbroker"
	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/middleware"
)

//go:embed testdata/orders.jsonl
var ordersFile []byte

const (
	partitions  = 6
	bootTimeout = 10 * time.Second
	tick        = 200 * time.Millisecond
	perTick     = 20 // orders produced per tick without --once
)

// demo runs the example from the broker to the summary. When ctx ends it stops cleanly, whatever it is doing, and still says what was done.
func demo(ctx context.Context, o options, stdout, stderr io.Writer) error {
	brokers := o.brokers
	if len(brokers) == 0 {
		b, err := devbroker.Start()
		if err != nil {
			return err
		}
		defer b.Close()
		brokers = b.Addrs()
		_, _ = fmt.Fprintf(stderr, "embedded broker on %s\n", brokers[0])
	}
	// A cluster that goes away must not hold up the stop, so orders in flight are given up after a while, too. What is given up is not
	// produced again, which could write it twice.
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ClientID("orders-demo"),
		kgo.RecordDeliveryTimeout(bootTimeout), kgo.AllowIdempotentProduceCancellation())
	if err != nil {
		return fmt.Errorf("--brokers: %w", err)
	}
	defer cl.Close()
	admin := kadm.NewClient(cl)
	c := newCounts()
	if err := createTopics(ctx, admin); err != nil {
		if ctx.Err() != nil {
			return c.summary(nil).write(o, stdout) // interrupted before anything was begun
		}
		return err
	}
	runErr := run(ctx, brokers, cl, o, c, stderr)
	lags, err := readLags(context.WithoutCancel(ctx), admin)
	if err != nil {
		return errors.Join(runErr, err)
	}
	s := c.summary(lags)
	s.CleanStop = runErr == nil
	return errors.Join(runErr, s.write(o, stdout))
}

// run produces and consumes until ctx ends, or with --once until everything is consumed.
func run(ctx context.Context, brokers []string, cl *kgo.Client, o options, c *counts, stderr io.Writer) error {
	cfg := framework.DefaultConfig()
	cfg.Kafka.Brokers = brokers
	cfg.HTTP.Listen = "127.0.0.1:0" // any free port: two demos do not collide
	cfg.Log.Level = "error"
	cfg.Commit.Interval = tick

	running, stop := context.WithCancel(ctx)
	defer stop()
	var produceErr, watchErr error
	feeder := sync.WaitGroup{}
	feeder.Go(func() {
		if produceErr = produce(running, cl, o, c); produceErr != nil {
			stop() // nothing more will come
		}
	})
	feeder.Go(func() {
		watchErr = watch(running, kadm.NewClient(cl), o, c, stderr)
		stop()
	})
	err := framework.Run(running, cfg,
		fx.Provide(
			func() *Pricer { return &Pricer{prices: &Prices{}} },
			func() *Mailer { return &Mailer{} },
			func() *Index { return &Index{cents: map[string]int{}} },
			func() *Audit { return &Audit{} },
		),
		framework.Routes(Routes),
		framework.Use(middleware.Log(), c.count),
		framework.Callbacks(callbacks.On(func(_ context.Context, e callbacks.Blocked) {
			_, _ = fmt.Fprintf(stderr, "group %s waits at %s/%d@%d: %v\n", e.Group, e.Topic, e.Partition, e.Offset, e.Err)
		})),
	)
	interrupted := running.Err() != nil
	stop()
	feeder.Wait()
	if start := (*framework.StartError)(nil); interrupted && errors.As(err, &start) && errors.Is(err, context.Canceled) {
		err = nil // interrupted while it joined: nothing was consumed
	}
	return errors.Join(err, produceErr, watchErr)
}

func createTopics(ctx context.Context, admin *kadm.Client) error {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	resp, err := admin.CreateTopics(ctx, partitions, -1, nil, created, priced)
	if err != nil {
		return fmt.Errorf("create topics: no answer from the cluster: %w", err)
	}
	for _, t := range resp {
		if t.Err != nil && !errors.Is(t.Err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s: %w", t.Topic, t.Err)
		}
	}
	return nil
}

// produce writes the orders of the file, again and again under new ids, and counts those that were acknowledged.
func produce(ctx context.Context, cl *kgo.Client, o options, c *counts) error {
	orders, err := readOrders()
	if err != nil {
		return err
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for sent := 0; !o.once || sent < o.orders; {
		batch := perTick
		if o.once {
			batch = min(len(orders), o.orders-sent)
		}
		recs := make([]*kgo.Record, batch)
		for i := range recs {
			order := orders[(sent+i)%len(orders)]
			order.ID = fmt.Sprintf("%s-%d", order.ID, (sent+i)/len(orders))
			value, err := json.Marshal(order)
			if err != nil {
				return fmt.Errorf("encode order: %w", err)
			}
			recs[i] = &kgo.Record{Topic: created, Key: []byte(order.Customer), Value: value}
		}
		// A batch that is begun is finished, so that what was produced is known.
		results := cl.ProduceSync(context.WithoutCancel(ctx), recs...)
		acknowledged := 0
		for _, r := range results {
			if r.Err == nil {
				acknowledged++
			}
		}
		c.produce(acknowledged)
		if err := results.FirstErr(); err != nil {
			return fmt.Errorf("produce orders: %w", err)
		}
		sent += batch
		if o.once {
			if ctx.Err() != nil {
				return nil
			}
			continue
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
	c.allProduced()
	return nil
}

func readOrders() ([]Order, error) {
	var orders []Order
	lines := bufio.NewScanner(bytes.NewReader(ordersFile))
	for n := 1; lines.Scan(); n++ {
		var order Order
		if err := json.Unmarshal(lines.Bytes(), &order); err != nil {
			return nil, fmt.Errorf("orders.jsonl:%d: %w", n, err)
		}
		orders = append(orders, order)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read orders.jsonl: %w", err)
	}
	return orders, nil
}

// watch prints a line a second. With --once it returns when the broker says that no group has anything left: counting what was handled
// would not do, for another process may share the groups, or an earlier one may have left a backlog.
func watch(ctx context.Context, admin *kadm.Client, o options, c *counts, out io.Writer) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if !o.quiet && n%5 == 0 {
			_, _ = fmt.Fprintln(out, c.line())
		}
		if !o.once || !c.isAllProduced() {
			continue
		}
		lags, err := readLags(ctx, admin)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case lags.none():
			return nil
		}
	}
}
