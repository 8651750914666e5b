package responder

import (
	"context"
	"slices"

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
}

// Outputs implements consumer.Responder.
func (h *each[T]) Outputs() []consumer.Output { return slices.Clone(h.outputs) }

// Handle implements consumer.Handler.
func (h *each[T]) Handle(ctx context.Context, m *consumer.Message) error {
	c := &call[T]{Typed: consumer.Typed[T]{Message: m}}
	if err := consumer.Decode(h.codec, m, &c.Payload); err != nil {
		return err
	}
	w := &c.w
	w.written, w.pending, w.spare = c.written[:0], c.pending[:0], c.record[:]
	w.open(ctx, m, h.outputs)
	w.carries = true
	if err := h.fn(ctx, w, &c.Typed); err != nil {
		w.closed = true
		return err
	}
	return w.finish()
}

// call is what one record needs in one piece: it is allocated for every record, and never used again, so that a Writer or a message that
// somebody keeps stays what it was.
type call[T any] struct {
	consumer.Typed[T]

	w       Writer
	written [4]bool
	pending [1]*kgo.Record
	record  [1]kgo.Record
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
	w := &Writer{pending: make([]*kgo.Record, 0, typed.Len()), ahead: min(typed.Len(), mostAhead)}
	w.open(ctx, typed.Last().Message, h.outputs)
	if err := h.fn(ctx, w, typed); err != nil {
		if consumer.VerdictOf(err).At == nil {
			w.closed = true
			return err
		}
		// What came before the failed message counts, so what was written for it must leave.
		if sendErr := w.sendPending(); sendErr != nil {
			return sendErr
		}
		return err
	}
	if err := w.finish(); err != nil {
		return err
	}
	return bad
}
