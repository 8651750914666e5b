package consumer

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// Typed is a message with its decoded payload. For a tombstone the payload is the zero value: check Tombstone where topics are
// compacted, or take a pointer type, which is nil then.
type Typed[T any] struct {
	*Message

	Payload T
}

// TypedBatch is a batch with decoded payloads, in offset order. It is valid during the call it is passed to.
type TypedBatch[T any] struct {
	items []Typed[T]
}

// Len returns the number of messages.
func (b *TypedBatch[T]) Len() int { return len(b.items) }

// At returns the message at position i, from 0.
func (b *TypedBatch[T]) At(i int) *Typed[T] { return &b.items[i] }

// Last returns the message with the highest offset, for instance to mark through it.
func (b *TypedBatch[T]) Last() *Typed[T] { return &b.items[len(b.items)-1] }

// All ranges over positions and messages.
func (b *TypedBatch[T]) All() iter.Seq2[int, *Typed[T]] {
	return func(yield func(int, *Typed[T]) bool) {
		for i := range b.items {
			if !yield(i, &b.items[i]) {
				return
			}
		}
	}
}

// Payloads ranges over the payloads alone.
func (b *TypedBatch[T]) Payloads() iter.Seq[T] {
	return func(yield func(T) bool) {
		for i := range b.items {
			if !yield(b.items[i].Payload) {
				return
			}
		}
	}
}

// JSON makes a Handler of a function that takes a JSON payload. A payload that does not decode is a permanent failure
// ([DecodeError]); the function is not called for it.
func JSON[T any](fn func(ctx context.Context, m *Typed[T]) error) Handler {
	return Decoded(JSONCodec, fn)
}

// Value is JSON for functions that need the payload and nothing else of the record. A tombstone is the zero value, as in [Typed].
func Value[T any](fn func(ctx context.Context, payload T) error) Handler {
	return Decoded(JSONCodec, func(ctx context.Context, m *Typed[T]) error { return fn(ctx, m.Payload) })
}

// Decoded is JSON with another codec.
func Decoded[T any](codec Codec, fn func(ctx context.Context, m *Typed[T]) error) Handler {
	return HandlerFunc(func(ctx context.Context, m *Message) error {
		t := &Typed[T]{Message: m}
		if err := Decode(codec, m, &t.Payload); err != nil {
			return err
		}
		return fn(ctx, t)
	})
}

// JSONBatch makes a BatchHandler of a function that takes JSON payloads.
//
// A payload that does not decode does not take the batch with it: the function is called with the messages before it, and if it
// returns nil the bad record fails alone, permanently; what comes after it is delivered in the next batch.
func JSONBatch[T any](fn func(ctx context.Context, b *TypedBatch[T]) error) BatchHandler {
	return DecodedBatch(JSONCodec, fn)
}

// DecodedBatch is JSONBatch with another codec.
func DecodedBatch[T any](codec Codec, fn func(ctx context.Context, b *TypedBatch[T]) error) BatchHandler {
	return BatchHandlerFunc(func(ctx context.Context, b *Batch) error {
		typed, bad := DecodeBatch[T](codec, b)
		if typed.Len() > 0 {
			if err := fn(ctx, typed); err != nil {
				return err
			}
		}
		return bad
	})
}

// Decode decodes the value of m into v, a pointer. A tombstone leaves v as it is. Its error is permanent and wraps a *DecodeError, or it
// wraps [ErrTemporary].
func Decode(codec Codec, m *Message, v any) error {
	return decode(codec, m, partValue, m.Value, v)
}

// DecodeKey decodes the key of m into v, a pointer. A null key leaves v as it is. Errors are those of [Decode].
func DecodeKey(codec Codec, m *Message, v any) error {
	return decode(codec, m, "key", m.Key, v)
}

// DecodeHeader decodes the last header with that name into v, a pointer, and tells whether there is one. A header that is missing or
// null leaves v as it is. Errors are those of [Decode].
func DecodeHeader(codec Codec, m *Message, name string, v any) (bool, error) {
	data, ok := m.Header(name)
	return ok, decode(codec, m, fmt.Sprintf("header %q", name), data, v)
}

func decode(codec Codec, m *Message, part string, data []byte, v any) error {
	if data == nil {
		return nil
	}
	if _, plain := codec.(bytesCodec); plain {
		if p, ok := v.(*[]byte); ok { // as it does, without the calls
			*p = data
			return nil
		}
	}
	err := codec.Decode(data, v)
	if err == nil {
		return nil
	}
	bad := &DecodeError{
		Topic: m.Topic, Partition: m.Record.Partition, Offset: m.Offset,
		Part: part, Codec: codec.Name(), Err: err,
	}
	if errors.Is(err, ErrTemporary) {
		// Not a DecodeError: steps drawn for payloads that do not decode must not take a record that may well decode.
		return fmt.Errorf("%s: %w", bad.what(), err)
	}
	return Permanent(bad)
}

// DecodeBatch decodes messages up to the first that does not decode. Its error is nil, or fails that message by position.
func DecodeBatch[T any](codec Codec, b *Batch) (*TypedBatch[T], error) {
	items := make([]Typed[T], b.Len())
	for i, m := range b.All() {
		items[i].Message = m
		if err := Decode(codec, m, &items[i].Payload); err != nil {
			return &TypedBatch[T]{items: items[:i]}, FailedAt(m, err)
		}
	}
	return &TypedBatch[T]{items: items}, nil
}
