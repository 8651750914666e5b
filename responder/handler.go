package responder

import (
	"context"
	"slices"

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
	t := &consumer.Typed[T]{Message: m}
	if err := consumer.Decode(h.codec, m, &t.Payload); err != nil {
		return err
	}
	w := &Writer{ctx: ctx, carries: true, source: m, outputs: h.outputs, written: make([]bool, len(h.outputs))}
	if err := h.fn(ctx, w, t); err != nil {
		w.closed = true
		return err
	}
	return w.finish()
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
	w := &Writer{ctx: ctx, source: typed.Last().Message, outputs: h.outputs, written: make([]bool, len(h.outputs))}
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
