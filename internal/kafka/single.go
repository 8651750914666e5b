package kafka

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// OneOfBatch reports whether an error says that a record is not as the broker wants it. The broker refuses the whole batch for it, and all
// its records fail with that error: those that are well too.
func OneOfBatch(err error) bool {
	return slices.ContainsFunc([]*kerr.Error{
		kerr.MessageTooLarge, kerr.RecordListTooLarge, kerr.InvalidRecord, kerr.InvalidTimestamp,
	}, func(e *kerr.Error) bool { return errors.Is(err, e) })
}

// single sends records one at a time by a client of its own, so that what the broker says of a batch it says of one record.
type single struct {
	open func() (*kgo.Client, error)
	by   *delivery

	mu      sync.Mutex
	cl      *kgo.Client
	busy    bool
	waiting []sending
	idle    []chan struct{} // of those that flush
	closed  bool
}

// newSingle makes a single whose client has room for the record that follows: it is sent by the promise of the one before, which the client
// still counts then. Wherever there was no room it would wait for itself.
func newSingle(open func(...kgo.Opt) (*kgo.Client, error), by *delivery) *single {
	const two = 2
	return &single{by: by, open: func() (*kgo.Client, error) {
		return open(kgo.MaxBufferedRecords(two), kgo.MaxBufferedBytes(0))
	}}
}

type sending struct {
	ctx     context.Context //nolint:containedctx // the caller's, for as long as the record waits
	r       *kgo.Record
	promise func(*kgo.Record, error)
}

// produce does not block: it is called from promises.
func (s *single) produce(ctx context.Context, r *kgo.Record, promise func(*kgo.Record, error)) {
	s.mu.Lock()
	s.waiting = append(s.waiting, sending{ctx, r, promise})
	if s.busy {
		s.mu.Unlock()
		return
	}
	s.busy = true
	s.mu.Unlock()
	s.next()
}

// next sends the first that waits. It is called by whoever made it busy, and then as each is answered.
func (s *single) next() {
	s.mu.Lock()
	if len(s.waiting) == 0 {
		s.busy, s.waiting = false, nil
		for _, idle := range s.idle {
			close(idle)
		}
		s.idle = nil
		s.mu.Unlock()
		return
	}
	now := s.waiting[0]
	s.waiting = s.waiting[1:]
	cl, err := s.client()
	s.mu.Unlock()
	answered := func(r *kgo.Record, err error) {
		now.promise(r, err)
		s.next()
	}
	if err == nil {
		err = now.ctx.Err() // given up while it waited
	}
	if err != nil {
		answered(now.r, err)
		return
	}
	s.by.produce(context.WithoutCancel(now.ctx), cl.Produce, now.r, answered) // not for longer than from now
}

// client is called with the lock held.
func (s *single) client() (*kgo.Client, error) {
	if s.closed {
		return nil, kgo.ErrClientClosed
	}
	if s.cl == nil {
		cl, err := s.open()
		if err != nil {
			return nil, err
		}
		s.cl = cl
	}
	return s.cl, nil
}

// flush returns when all that was sent before is answered, or ctx has ended.
func (s *single) flush(ctx context.Context) error {
	s.mu.Lock()
	if !s.busy {
		s.mu.Unlock()
		return nil
	}
	idle := make(chan struct{})
	s.idle = append(s.idle, idle)
	s.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close fails what is not answered.
func (s *single) close() {
	s.mu.Lock()
	s.closed = true
	cl := s.cl
	s.mu.Unlock()
	if cl != nil {
		cl.Close()
	}
}
