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
	"log/slog"
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

// demo runs the example from the broker to the summary.
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
	cl, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ClientID("orders-demo"))
	if err != nil {
		return fmt.Errorf("--brokers: %w", err)
	}
	defer cl.Close()
	admin := kadm.NewClient(cl)
	if err := createTopics(ctx, admin); err != nil {
		return err
	}

	c := newCounts()
	cfg := framework.DefaultConfig()
	cfg.Kafka.Brokers = brokers
	cfg.HTTP.Listen = "127.0.0.1:0"
	cfg.Log.Level = "error"
	cfg.Commit.Interval = tick

	running, stop := context.WithCancel(ctx)
	defer stop()
	feeder := sync.WaitGroup{}
	feeder.Go(func() { c.produced, c.produceErr = produce(running, cl, o, c) })
	feeder.Go(func() { progress(running, stop, o, c, stderr) })
	runErr := framework.Run(running, cfg,
		fx.Provide(
			func() *Pricer { return &Pricer{prices: &Prices{}} },
			func() *Mailer { return &Mailer{} },
			func() *Index { return &Index{cents: map[string]int{}} },
			func() *Audit { return &Audit{open: map[int32]int{}} },
		),
		framework.Routes(Routes),
		framework.Use(middleware.Log(middleware.Levels(slog.LevelDebug, slog.LevelDebug)), c.count),
		framework.Callbacks(callbacks.On(func(_ context.Context, e callbacks.Retried) { c.retried(e.Group) })),
	)
	stop()
	feeder.Wait()
	if err := errors.Join(runErr, c.produceErr); err != nil {
		return err
	}
	s, err := summarise(admin, c)
	if err != nil {
		return err
	}
	return s.print(o, stdout)
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

// produce writes the orders of the file, again and again under new ids, and returns how many were acknowledged.
func produce(ctx context.Context, cl *kgo.Client, o options, c *counts) (int, error) {
	var orders []Order
	lines := bufio.NewScanner(bytes.NewReader(ordersFile))
	for n := 1; lines.Scan(); n++ {
		var order Order
		if err := json.Unmarshal(lines.Bytes(), &order); err != nil {
			return 0, fmt.Errorf("orders.jsonl:%d: %w", n, err)
		}
		orders = append(orders, order)
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	sent := 0
	for !o.once || sent < o.orders {
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
				return sent, fmt.Errorf("encode order: %w", err)
			}
			recs[i] = &kgo.Record{Topic: created, Key: []byte(order.Customer), Value: value}
		}
		// A batch that is begun is finished, so that what was produced is known.
		if err := cl.ProduceSync(context.WithoutCancel(ctx), recs...).FirstErr(); err != nil {
			return sent, fmt.Errorf("produce orders: %w", err)
		}
		sent += batch
		c.feed(sent, o.once && sent == o.orders)
		if !o.once {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return sent, nil
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	return sent, nil
}

// progress prints a line a second, and with --once stops when everything is consumed.
func progress(ctx context.Context, stop func(), o options, c *counts, out io.Writer) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if !o.quiet && n%5 == 0 {
			_, _ = fmt.Fprintln(out, c.line())
		}
		if o.once && c.complete() {
			stop()
			return
		}
	}
}
