package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
)

// What handlers answer to with -respond.
//
//nolint:gochecknoglobals // constant
var (
	answers      = responder.JSONTopic[output](topic + ".answers")
	otherAnswers = responder.JSONTopic[output](topic + ".answers.other")
)

func answeredTo() []string { return []string{answers.Name(), otherAnswers.Name()} }

// output is the value of a record that a handler writes: what it was written for, and which of its outputs it is.
type output struct {
	Topic     string `json:"w"`
	Partition int32  `json:"p"`
	Offset    int64  `json:"o"`
	Seq       int64  `json:"s"`
	Index     int    `json:"i"`
}

func (o output) of() place { return place{o.Topic, o.Partition, o.Offset} }

// outputsOf are the topics to which the outputs of a record go, in their order. They depend on its number alone.
func outputsOf(seq int64) []responder.Topic[output] {
	switch {
	case seq%7 == 0:
		return nil
	case seq%5 == 0:
		return []responder.Topic[output]{answers, answers}
	case seq%3 == 0:
		return []responder.Topic[output]{otherAnswers, answers}
	}
	return []responder.Topic[output]{answers}
}

// responding makes a responder of a handler. It writes before it is known whether the attempt fails: what a failed one wrote must not
// leave.
func responding(h consumer.Handler) consumer.Handler {
	return responder.Decoded(consumer.BytesCodec, func(ctx context.Context, w *responder.Writer, m *consumer.Typed[[]byte]) error {
		seq := number(m.Value)
		for i, to := range outputsOf(seq) {
			out := output{Topic: m.Topic, Partition: m.Record.Partition, Offset: m.Offset, Seq: seq, Index: i}
			if err := to.Send(w, m.Key, out); err != nil {
				return err
			}
		}
		return h.Handle(ctx, m.Message)
	}, answers.Optional(), otherAnswers.Optional())
}

// checkOutputs checks that what was handled has its outputs, and nothing else has; that they are in the order of their inputs; and that
// none is there more often than its input was handled. It notes in done when an input's outputs were there, for then it is done.
func (b *books) checkOutputs(s *summary, ends []sample, done map[place]int64) {
	inputs, times := map[place]line{}, map[place]int{}
	for _, l := range b.handled {
		at := place{l.Topic, l.Partition, l.Offset}
		inputs[at] = l
		times[at]++
	}
	slices.SortFunc(b.outputs, func(a, b *kgo.Record) int { // as the cluster has them
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
	})
	since := sinceWhen(b.outputs, ends)
	written := map[output]int{}
	there := map[place]int64{} // when all outputs that are known so far were there, as early as possible
	last := map[line]output{}  // the output furthest on of an input partition and key in a topic
	for _, r := range b.outputs {
		var out output
		if err := json.Unmarshal(r.Value, &out); err != nil {
			s.breachf("%q is at %s", r.Value, placeOf(r))
			continue
		}
		from, handled := inputs[out.of()]
		to := outputsOf(out.Seq)
		switch {
		case !handled:
			s.breachf("output %d of record %d is at %s, and %s was not handled", out.Index, out.Seq, placeOf(r), out.of())
			continue
		case from.Seq != out.Seq || out.Index >= len(to) || to[out.Index].Name() != r.Topic || string(r.Key) != from.Key:
			s.breachf("output %d of record %d with key %q is at %s, and does not belong there: %s has record %d with key %q",
				out.Index, out.Seq, r.Key, placeOf(r), out.of(), from.Seq, from.Key)
			continue
		}
		s.outputs++
		written[out]++
		if n := written[out]; n > 1 {
			s.repeated++
			switch {
			case b.exactly:
				s.doubled++
				s.breachf("output %d of record %d, which is %s, was committed once more, at %s", out.Index, out.Seq, out.of(), placeOf(r))
			case n == times[out.of()]+1:
				s.breachf("output %d of record %d was written once more, to %s, than %s was handled", out.Index, out.Seq,
					placeOf(r), out.of())
			}
			continue
		}
		there[out.of()] = max(there[out.of()], since[placeOf(r)])
		if out.Topic != topic {
			continue // it was in a retry topic, which gives order up
		}
		order := line{Topic: r.Topic, Partition: out.Partition, Key: from.Key}
		if b.exactly {
			order.Key = fmt.Sprintf("any in %d", r.Partition)
		}
		if before, ok := last[order]; ok && cmp.Or(cmp.Compare(out.Offset, before.Offset), cmp.Compare(out.Index, before.Index)) < 0 {
			s.disordered++
			s.breachf("I2: output %d of %s is at %s, behind output %d of %s, and both have key %s", out.Index, out.of(), placeOf(r),
				before.Index, before.of(), order.Key)
			continue
		}
		last[order] = out
	}
	for at, l := range inputs {
		for i, to := range outputsOf(l.Seq) {
			if written[output{at.topic, at.partition, at.offset, l.Seq, i}] == 0 {
				s.missing++
				s.breachf("I1: record %d at %s was handled, and its output %d is not in %s", l.Seq, at, i, to.Name())
			}
		}
		done[at] = max(done[at], there[at])
	}
}
