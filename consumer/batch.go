package consumer

import "iter"

// Batch is the next records of one partition in offset order; on a route by key, the next ones of some of its keys. It and its messages are
// valid during the call they are passed to; the records may be kept. On routes with ManualOffsets messages may be kept too, to mark them
// later.
type Batch struct {
	msgs    []Message
	skipped *[]*Message // of the whole delivery, shared by all batches that Skip derives from one
}

// NewBatch makes a batch of messages, which it does not copy. The engine and test doubles call it.
func NewBatch(msgs []Message) *Batch { return &Batch{msgs: msgs} }

// Reset lets the batch hold other messages, so that its memory is used again. The engine calls it between
// deliveries.
func (b *Batch) Reset(msgs []Message) { b.msgs, b.skipped = msgs, nil }

// Len returns the number of messages.
func (b *Batch) Len() int { return len(b.msgs) }

// At returns the message at position i, from 0.
func (b *Batch) At(i int) *Message { return &b.msgs[i] }

// First returns the message with the lowest offset. It panics on an empty batch, which no handler is ever given.
func (b *Batch) First() *Message { return &b.msgs[0] }

// Last returns the message with the highest offset. It panics on an empty batch, which no handler is ever given.
func (b *Batch) Last() *Message { return &b.msgs[len(b.msgs)-1] }

// All ranges over positions and messages.
func (b *Batch) All() iter.Seq2[int, *Message] {
	return func(yield func(int, *Message) bool) {
		for i := range b.msgs {
			if !yield(i, &b.msgs[i]) {
				return
			}
		}
	}
}

// Skip returns the batch without the messages for which seen is true. Middleware passes the rest on:
//
//	return next.HandleBatch(ctx, b.Skip(alreadySeen))
//
// What was skipped is marked with the rest of the batch and counted. An empty rest does not reach the handler.
func (b *Batch) Skip(seen func(*Message) bool) *Batch {
	skipped := b.skipped
	if skipped == nil {
		skipped = new([]*Message)
		b.skipped = skipped
	}
	rest := make([]Message, 0, len(b.msgs))
	for i := range b.msgs {
		if seen(&b.msgs[i]) {
			*skipped = append(*skipped, &b.msgs[i])
			continue
		}
		rest = append(rest, b.msgs[i])
	}
	return &Batch{msgs: rest, skipped: skipped}
}

// Skipped returns the messages that middleware has taken out of this delivery so far.
func (b *Batch) Skipped() []*Message {
	if b.skipped == nil {
		return nil
	}
	return *b.skipped
}
