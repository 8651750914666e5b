package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/fx"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/devbroker"
	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/router"
)

const (
	partitions = 4
	accounts   = 100
	tick       = 200 * time.Millisecond
	perTick    = 50 // payments sent per tick without --once
	patience   = 10 * time.Second
)

// demo runs the example from the broker to the summary. When ctx ends it stops cleanly, whatever it is doing, and still says what was done.
func demo(ctx context.Context, bank *Bank, o options, stderr io.Writer) (*summary, error) {
	broker, err := devbroker.Start(devbroker.Topic(payments, partitions))
	if err != nil {
		return nil, err
	}
	defer broker.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker.Addrs()...), kgo.ClientID("payments-demo"))
	if err != nil {
		return nil, err
	}
	defer cl.Close()

	cfg := framework.DefaultConfig()
	cfg.Kafka.Brokers = broker.Addrs()
	cfg.Kafka.MissingTopics = "create" // the retry and the dead letter topic
	cfg.HTTP.Listen = "127.0.0.1:0"    // any free port
	cfg.Log.Level = "error"            // dead letters
	cfg.Commit.Interval = tick

	s := &summary{want: map[string]int{}}
	var expired, held atomic.Int64
	running, stop := context.WithCancel(ctx)
	defer stop()
	var sendErr, watchErr error
	both := sync.WaitGroup{}
	sent := make(chan struct{})
	both.Go(func() {
		defer close(sent)
		if sendErr = s.send(running, cl, o); sendErr != nil {
			stop()
		}
	})
	both.Go(func() {
		defer stop()
		watchErr = watch(running, kadm.NewClient(cl), bank, o, sent, stderr)
	})
	runErr := framework.Run(running, cfg,
		fx.Supply(&Desk{bank}),
		framework.Routes(Routes),
		framework.Callbacks(
			callbacks.On(func(context.Context, callbacks.Skipped) { expired.Add(1) }),
			callbacks.On(func(_ context.Context, e callbacks.Paused) {
				if e.Reason == callbacks.PausedBreaker {
					held.Add(1)
					_, _ = fmt.Fprintf(stderr, "%s is held: most calls of the bank fail\n", e.Topic)
				}
			}),
			callbacks.On(func(_ context.Context, e callbacks.Resumed) {
				if e.Reason == callbacks.PausedBreaker {
					_, _ = fmt.Fprintf(stderr, "%s goes on\n", e.Topic)
				}
			}),
		),
	)
	interrupted := running.Err() != nil
	stop()
	both.Wait()
	if start := (*framework.StartError)(nil); interrupted && errors.As(runErr, &start) && errors.Is(runErr, context.Canceled) {
		runErr = nil // interrupted while it joined: nothing was consumed
	}
	s.clean = runErr == nil
	s.expired, s.held = int(expired.Load()), int(held.Load())
	s.bank = bank.counted()
	s.balances, s.disordered = bank.balances()
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	var lagErr, lettersErr error
	s.lag, lagErr = lag(after, kadm.NewClient(cl))
	s.letters, lettersErr = readLetters(after, broker.Addrs())
	return s, errors.Join(runErr, sendErr, watchErr, lagErr, lettersErr)
}

// nth is the nth payment, as a record. Most are good: good is what it adds to its account.
func nth(n int, now time.Time) (rec *kgo.Record, good int) {
	p := Payment{ID: fmt.Sprintf("p-%d", n), Account: fmt.Sprintf("acc-%02d", n%accounts), Number: n / accounts, Cents: 100 + n%900}
	rec = &kgo.Record{Topic: payments, Key: []byte(p.Account), Timestamp: now}
	good = p.Cents
	switch {
	case n%499 == 498:
		rec.Value = []byte("not a payment")
		return rec, 0
	case n%251 == 250:
		p.Cents, good = -p.Cents, 0
	case n%211 == 210:
		rec.Timestamp, good = now.Add(-48*time.Hour), 0
	case n%61 == 60:
		p.Abroad = true
	}
	value, err := json.Marshal(p)
	if err != nil {
		panic(err) // text and numbers always encode
	}
	rec.Value = value
	return rec, good
}

// send sends payments until ctx ends, or with --once as many as are wanted, and notes what the bank should have afterwards.
func (s *summary) send(ctx context.Context, cl *kgo.Client, o options) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		n := perTick
		if o.once {
			n = o.payments
		}
		recs := make([]*kgo.Record, n)
		for i := range recs {
			var good int
			recs[i], good = nth(s.sent+i, time.Now())
			if good > 0 {
				s.want[string(recs[i].Key)] += good
			}
		}
		s.sent += n
		// A batch that is begun is finished, so that what was sent is known.
		if err := cl.ProduceSync(context.WithoutCancel(ctx), recs...).FirstErr(); err != nil {
			return fmt.Errorf("send payments: %w", err)
		}
		if o.once {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// watch prints a line a second. With --once it returns when nothing is left to consume.
func watch(ctx context.Context, admin *kadm.Client, bank *Bank, o options, sent <-chan struct{}, out io.Writer) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if n%5 == 0 {
			c := bank.counted()
			_, _ = fmt.Fprintf(out, "booked %6d   from abroad %4d   bank busy %4d   at once %3d\n", c.booked, c.cleared, c.busy, c.atOnce)
		}
		if !o.once {
			continue
		}
		select {
		case <-sent:
		default:
			continue
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

// lag is how many records are left. Offsets are read before ends: a payment is in its retry topic before it is marked.
func lag(ctx context.Context, admin *kadm.Client) (left int64, err error) {
	committed, err := admin.FetchOffsets(ctx, group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return 0, fmt.Errorf("read offsets: %w", err)
	}
	ends, err := admin.ListEndOffsets(ctx, payments,
		router.RetryTopic(payments, group, later), router.RetryTopic(payments, group, muchLater))
	if err == nil && !errors.Is(ends.Error(), kerr.UnknownTopicOrPartition) { // before it is made
		err = ends.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("read end offsets: %w", err)
	}
	ends.Each(func(end kadm.ListedOffset) {
		left += max(end.Offset, 0)
		if o, ok := committed.Lookup(end.Topic, end.Partition); ok {
			left -= max(o.At, 0)
		}
	})
	return left, nil
}
