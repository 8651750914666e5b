package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"go.uber.org/fx"

	"github.com/karafgo/karafgo/devbroker"
	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/responder"
)

const (
	users    = 60
	tick     = 200 * time.Millisecond
	perTick  = 40 // views sent per tick without --once
	patience = 10 * time.Second
)

// demo runs the example from the broker to the summary. When ctx ends it stops cleanly, whatever it is doing, and still says what was done.
func demo(ctx context.Context, o options, stderr io.Writer) (*summary, error) {
	broker, err := devbroker.Start(devbroker.Topic(Statistics.Name(), 1))
	if err != nil {
		return nil, err
	}
	defer broker.Close()

	cfg := framework.DefaultConfig()
	cfg.Kafka.Brokers = broker.Addrs()
	cfg.Kafka.MissingTopics = "create" // those of the routes, as they are declared
	cfg.HTTP.Listen = "127.0.0.1:0"    // any free port
	cfg.Log.Level = "error"
	cfg.Commit.Interval = tick

	producer, err := framework.NewProducer(cfg)
	if err != nil {
		return nil, err
	}
	table, board := NewTable(), NewBoard()
	enricher := NewEnricher(table)
	w := &world{producer: producer, table: table, enricher: enricher, board: board, out: stderr}

	running, stop := context.WithCancel(ctx)
	defer stop()
	started := make(chan struct{})
	var worldErr error
	world := sync.WaitGroup{}
	world.Go(func() {
		defer stop()
		select {
		case <-started:
			worldErr = w.run(running, o)
		case <-running.Done():
		}
	})
	runErr := framework.Run(running, cfg,
		fx.Supply(table, enricher, board, Instance(strconv.FormatInt(time.Now().UnixNano(), 36))),
		fx.Provide(NewReporter),
		framework.Routes(Routes),
		fx.Invoke(func(*Reporter) {}), // nobody else asks for one
		fx.Invoke(func(lc fx.Lifecycle) { lc.Append(fx.StartHook(func() { close(started) })) }),
	)
	interrupted := running.Err() != nil
	stop()
	world.Wait()
	if start := (*framework.StartError)(nil); interrupted && errors.As(runErr, &start) && errors.Is(runErr, context.Canceled) {
		runErr = nil // interrupted while it joined: nothing was consumed
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	s, readErr := read(after, broker.Addrs())
	s.sent, s.all, s.clean, s.board = w.sent, w.done, runErr == nil, board.counted()
	return s, errors.Join(runErr, worldErr, readErr, producer.Close(after))
}

// world stands for those who write views and profiles, programs that consume nothing.
type world struct {
	producer *responder.Producer
	table    *Table
	enricher *Enricher
	board    *Board
	out      io.Writer

	sent    int // views
	changes int // of profiles
	done    bool
}

// The users without a profile, those who delete theirs halfway, and those who change theirs.
func nobody(user int) bool { return user%20 == 19 }
func leaves(user int) bool { return user%20 == 9 }
func moves(user int) bool  { return user%20 == 4 }

func country(user int) string { return []string{"DE", "FR", "JP", "PL"}[user%4] }

func userName(user int) string { return fmt.Sprintf("u-%02d", user) }

// run sends profiles, then views, with --once as many as are wanted, and returns when all are counted.
func (w *world) run(ctx context.Context, o options) error {
	if err := w.profile(ctx, false); err != nil {
		return err
	}
	if o.once {
		for _, n := range []int{o.views / 2, o.views - o.views/2} {
			if err := w.view(ctx, n); err != nil {
				return err
			}
			if !w.await(ctx, func() bool { return w.board.total() >= w.sent }) {
				return nil
			}
			if err := w.profile(ctx, true); err != nil {
				return err
			}
		}
		w.done = true
		return nil
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n := 1; ; n++ {
		if err := w.view(ctx, perTick); err != nil {
			return err
		}
		if n%5 == 0 {
			s := w.enricher.counted()
			_, _ = fmt.Fprintf(w.out, "profiles %3d   enriched %6d   of unknown users %5d   counted %6d\n",
				s.Profiles, s.Enriched, s.Unknown, w.board.total())
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// profile sends the profiles, or what becomes of them later, and returns when the table has them.
func (w *world) profile(ctx context.Context, later bool) error {
	var recs []responder.Record
	for u := range users {
		p := Profile{Name: "User " + strconv.Itoa(u), Country: country(u)}
		switch {
		case nobody(u):
		case later && leaves(u):
			recs = append(recs, Profiles.Delete(userName(u)))
		case later && moves(u):
			p.Country = "IS"
			recs = append(recs, Profiles.Record(userName(u), p))
		case !later:
			recs = append(recs, Profiles.Record(userName(u), p))
		}
	}
	if err := w.send(ctx, recs); err != nil {
		return err
	}
	w.changes += len(recs)
	w.await(ctx, func() bool {
		_, changes := w.table.size()
		return changes >= w.changes
	})
	return nil
}

// nth is the nth view.
func nth(n int) View {
	return View{
		ID: strconv.Itoa(n), User: userName(n % users), Number: n / users,
		Page: []string{"/", "/tea", "/cups", "/tea", "/pots", "/", "/"}[n%7],
	}
}

func (w *world) view(ctx context.Context, n int) error {
	recs := make([]responder.Record, n)
	for i := range recs {
		v := nth(w.sent + i)
		recs[i] = Views.Record(v.User, v, responder.Header("correlation-id", []byte("c-"+v.ID)))
	}
	w.sent += n
	return w.send(ctx, recs)
}

// send sends records together. What is begun is finished, so that what was sent is known.
func (w *world) send(ctx context.Context, recs []responder.Record) error {
	if err := w.producer.Send(context.WithoutCancel(ctx), recs...); err != nil {
		return fmt.Errorf("send views and profiles: %w", err)
	}
	return nil
}

// await reports whether the program has got so far before ctx ended.
func (w *world) await(ctx context.Context, reached func() bool) bool {
	ticker := time.NewTicker(tick / 10)
	defer ticker.Stop()
	for !reached() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
