package framework

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/fx"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/responder"
)

// NewProducer makes a producer for a program that consumes nothing: of the sections kafka and producer of the configuration, with listeners
// for its events callbacks.Sent and callbacks.SendFailed, which must be quick. Its Close flushes and disconnects. A program of Run or Main
// takes a *responder.Producer as a parameter of a constructor instead, which shares the program's client and is closed with it.
func NewProducer(cfg Config, listeners ...callbacks.Listener) (*responder.Producer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err //nolint:wrapcheck // each mistake says its place
	}
	log, err := newLogger(cfg.Log)
	if err != nil {
		return nil, err
	}
	shared := kafka.NewShared(kafka.New(cfg, newKafkaLog(log)))
	p := newSend(cfg.Producer)
	p.bind(shared, func(e callbacks.Event) {
		for _, l := range listeners {
			l.OnEvent(context.Background(), e)
		}
	})
	p.open()
	return p.producer, nil
}

// send is the program's own way to the cluster. It is there before there is anything to send with: constructors may take the Producer, and
// their results are needed to make the process.
type send struct {
	producer *responder.Producer
	bound    *kafka.Shared                // what it will send with
	to       atomic.Pointer[kafka.Shared] // the same, while the program runs
	cl       atomic.Pointer[kafka.Own]    // its client, when it is made
	emit     atomic.Pointer[func(callbacks.Event)]
}

func newSend(cfg config.Producer) *send {
	s := &send{}
	opts := []responder.ProducerOption{responder.Observe(s.tell), responder.OnClose(s.close)}
	if cfg.OnFull == config.Fail {
		opts = append(opts, responder.FailWhenFull())
	}
	if cfg.TransactionalID != "" {
		opts = append(opts, responder.Transactions(s.transactional))
	}
	s.producer = responder.NewProducer(s, opts...)
	return s
}

func (s *send) bind(to *kafka.Shared, emit func(callbacks.Event)) {
	s.emit.Store(&emit)
	s.bound = to
}

// open lets the Producer send. Before, a program that is never started, because another of its parts cannot be made or because it is only
// checked, would leave a client behind.
func (s *send) open() { s.to.Store(s.bound) }

func (s *send) tell(o responder.Outcome) {
	emit := s.emit.Load()
	switch {
	case emit == nil:
	case o.Err != nil:
		(*emit)(callbacks.SendFailed{Topic: o.Topic, Err: o.Err})
	default:
		(*emit)(callbacks.Sent{Topic: o.Topic, Count: o.Count, Elapsed: o.Elapsed})
	}
}

func (s *send) client() (*kafka.Own, error) {
	if cl := s.cl.Load(); cl != nil {
		return cl, nil
	}
	to := s.to.Load()
	if to == nil {
		return nil, responder.ErrNotRunning
	}
	cl, err := to.Own()
	if err == nil {
		s.cl.Store(cl)
	}
	return cl, err //nolint:wrapcheck // it says what it is about
}

// Produce implements responder.Client.
func (s *send) Produce(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
	if cl, err := s.client(); err != nil {
		promise(r, err)
	} else {
		cl.Produce(ctx, r, promise)
	}
}

// TryProduce implements responder.Client.
func (s *send) TryProduce(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
	if cl, err := s.client(); err != nil {
		promise(r, err)
	} else {
		cl.TryProduce(ctx, r, promise)
	}
}

// ProduceAgain sends a record alone that may have been refused for another one's sake.
func (s *send) ProduceAgain(ctx context.Context, r *kgo.Record, refused error, promise func(*kgo.Record, error)) bool {
	cl := s.cl.Load()
	if cl == nil || !kafka.OneOfBatch(refused) {
		return false
	}
	cl.ProduceAlone(ctx, r, promise)
	return true
}

// Flush implements responder.Client.
func (s *send) Flush(ctx context.Context) error {
	if s.to.Load() == nil {
		return nil // nothing was sent
	}
	cl, err := s.client()
	if err != nil {
		return err
	}
	return cl.Flush(ctx) //nolint:wrapcheck // the Producer says so
}

func (s *send) transactional() (responder.TransactionalClient, error) { //nolint:ireturn // a function type wants it
	to := s.to.Load()
	if to == nil {
		return nil, responder.ErrNotRunning
	}
	return to.Transactional() //nolint:wrapcheck // it says what it is about
}

// close ends the clients, when everything is flushed.
func (s *send) close() {
	if s.bound != nil {
		s.bound.Close()
	}
}

// hook opens the Producer with the program, and closes it. It is made before those of whoever takes the Producer: it starts before theirs,
// and stops after them.
func (s *send) hook(cfg Config) fx.Hook {
	return fx.StartStopHook(s.open, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, max(cfg.Shutdown.Grace, leastFlush))
		defer cancel()
		if err := s.producer.Close(ctx); err != nil {
			return fmt.Errorf("close the program's Producer: %w", err)
		}
		return nil
	})
}

// leastFlush is what the last flush may take, whatever shutdown.grace says.
const leastFlush = time.Second
