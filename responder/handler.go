package responder

import (
	"context"
	"slices"
	"sync"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
)

// JSON makes a responder of a function that reads a JSON payload and writes to the declared outputs.
func JSON[T any](fn func(ctx context.Context, w *Writer, m *consumer.Typed[T]) error, outputs ...consumer.Output) consumer.Handler {
	return Decoded(consumer.JSONCodec, fn, outputs...)
}

// Map makes a responder of a pure function: one JSON value in, one value out with the same key, to one topic.
// For a tombstone the function gets the zero value; take a pointer type, which is nil then, where topics are compacted.
func Map[In, Out any](to Topic[Out], fn func(ctx context.Context, in In) (Out, error)) consumer.Handler {
	return JSON(func(ctx context.Context, w *Writer, m *consumer.Typed[In]) error {
		out, err := fn(ctx, m.Payload)
		if err != nil {
			return err
		}
		return to.Send(w, m.Key, out)
	}, to.Required())
}

// Decoded is JSON with another codec for what is read.
func Decoded[T any](
	codec consumer.Codec, fn func(ctx context.Context, w *Writer, m *consumer.Typed[T]) error, outputs ...consumer.Output,
) consumer.Handler {
	return &each[T]{codec: codec, fn: fn, outputs: slices.Clone(outputs)}
}

type each[T any] struct {
	codec   consumer.Codec
	fn      func(context.Context, *Writer, *consumer.Typed[T]) error
	outputs []consumer.Output
	desks   sync.Pool // of *desk[T]
}

// Outputs implements consumer.Responder.
func (h *each[T]) Outputs() []consumer.Output { return slices.Clone(h.outputs) }

// Handle implements consumer.Handler.
func (h *each[T]) Handle(ctx context.Context, m *consumer.Message) error {
	d, ok := h.desks.Get().(*desk[T])
	if !ok {
		d = &desk[T]{sheet: sheet{carries: true, ahead: recordsAhead}}
	}
	err := h.handle(ctx, d, m)
	d.clear()
	h.desks.Put(d) // not after a panic
	return err
}

func (h *each[T]) handle(ctx context.Context, d *desk[T], m *consumer.Message) error {
	c := d.next()
	c.Message = m
	if err := consumer.Decode(h.codec, m, &c.Payload); err != nil {
		return err
	}
	c.w = d.open(ctx, m, h.outputs)
	if err := h.fn(ctx, &c.w, &c.Typed); err != nil {
		d.close()
		return err
	}
	return d.finish()
}

// desk is what handling one record after the other needs.
type desk[T any] struct {
	sheet

	calls []call[T] // to be used next
}

// call is what a handler is given for one record. It is never used again, so that a Writer or a message that somebody keeps stays what it
// was.
type call[T any] struct {
	consumer.Typed[T]

	w Writer
}

const (
	// callBytes is about how much memory for calls is allocated at once.
	callBytes = 2 << 10
	// recordsAhead is how many outputs are. They live until the last of them is acknowledged.
	recordsAhead = 16
)

func (d *desk[T]) next() *call[T] {
	if len(d.calls) == 0 {
		d.calls = make([]call[T], max(callBytes/unsafe.Sizeof(call[T]{}), 1))
	}
	c := &d.calls[0]
	d.calls = d.calls[1:]
	return c
}

// JSONBatch makes a batch responder. Its outputs are acknowledged before the batch is marked; an output that is refused
// fails the batch. A Required output must be written at least once per batch.
func JSONBatch[T any](
	fn func(ctx context.Context, w *Writer, b *consumer.TypedBatch[T]) error, outputs ...consumer.Output,
) consumer.BatchHandler {
	return DecodedBatch(consumer.JSONCodec, fn, outputs...)
}

// DecodedBatch is JSONBatch with another codec for what is read.
func DecodedBatch[T any](
	codec consumer.Codec, fn func(ctx context.Context, w *Writer, b *consumer.TypedBatch[T]) error, outputs ...consumer.Output,
) consumer.BatchHandler {
	return &batch[T]{codec: codec, fn: fn, outputs: slices.Clone(outputs)}
}

type batch[T any] struct {
	codec   consumer.Codec
	fn      func(context.Context, *Writer, *consumer.TypedBatch[T]) error
	outputs []consumer.Output
}

// Outputs implements consumer.Responder.
func (h *batch[T]) Outputs() []consumer.Output { return slices.Clone(h.outputs) }

// HandleBatch implements consumer.BatchHandler. See consumer.JSONBatch for payloads that do not decode.
func (h *batch[T]) HandleBatch(ctx context.Context, b *consumer.Batch) error {
	typed, bad := consumer.DecodeBatch[T](h.codec, b)
	if typed.Len() == 0 {
		return bad
	}
	s := &sheet{pending: make([]*kgo.Record, 0, typed.Len()), ahead: min(typed.Len(), mostAhead)}
	w := s.open(ctx, typed.Last().Message, h.outputs)
	if err := h.fn(ctx, &w, typed); err != nil {
		if consumer.VerdictOf(err).At == nil {
			s.close()
			return err
		}
		// What came before the failed message counts, so what was written for it must leave.
		if sendErr := s.sendPending(); sendErr != nil {
			return sendErr
		}
		return err
	}
	if err := s.finish(); err != nil {
		return err
	}
	return bad
}
