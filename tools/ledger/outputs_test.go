package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Records by their outputs.
const (
	two, both, none = 5, 3, 7
)

// responded are honest books, with more records, and the outputs of all.
func responded() (*books, samples) {
	b, seen := honest()
	b.respond = true
	now := b.forwarded[len(b.forwarded)-1].Timestamp
	for i, seq := range []int64{two, both, none} {
		now = now.Add(10 * time.Second)
		l := line{Topic: topic, Offset: int64(len(b.produced)), Key: "k", Seq: seq, Time: now.UnixNano(), Began: now.UnixNano(), Member: "m"}
		b.produced, b.handled = append(b.produced, l), append(b.handled, l)
		seen.committed = append(seen.committed, sample{now.Add(time.Duration(i+1) * time.Second), topic, 0, l.Offset + 1})
	}
	next := map[string]int64{}
	for _, l := range b.handled {
		for i, to := range outputsOf(l.Seq) {
			b.outputs = append(b.outputs, answer(l, i, to.Name(), next[to.Name()]))
			next[to.Name()]++
		}
	}
	return b, seen
}

// answer is an output that was there as soon as its input was handled.
func answer(l line, i int, name string, offset int64) *kgo.Record {
	value := fmt.Appendf(nil, `{"w":%q,"p":%d,"o":%d,"s":%d,"i":%d}`, l.Topic, l.Partition, l.Offset, l.Seq, i)
	return &kgo.Record{Topic: name, Offset: offset, Timestamp: time.Unix(0, l.Time), Key: []byte(l.Key), Value: value}
}

func TestHonestBooksOfOutputsAgree(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b, seen := responded()
	s := b.compare(seen)
	g.Expect(s.breaches).To(BeEmpty())
	g.Expect([]int{s.handled, s.outputs, s.repeated, s.missing}).To(Equal([]int{8, 9, 0, 0}))
	b.handled = append(b.handled, b.handled[0])
	b.outputs = append(b.outputs, answer(b.handled[0], 0, answers.Name(), 99))
	s = b.compare(seen)
	g.Expect(s.breaches).To(BeEmpty(), "at least once")
	g.Expect([]int{s.duplicates, s.outputs, s.repeated}).To(Equal([]int{1, 10, 1}))
}

func TestEveryBreachOfOutputsIsFound(t *testing.T) {
	t.Parallel()
	of := func(b *books, seq int64) int {
		return slices.IndexFunc(b.outputs, func(r *kgo.Record) bool {
			var out output
			return json.Unmarshal(r.Value, &out) == nil && out.Seq == seq
		})
	}
	for name, spoil := range map[string]func(b *books, seen *samples){
		"record 1 at ledger/0@0 was handled, and its output 0 is not in ledger.answers": func(b *books, _ *samples) {
			b.outputs = b.outputs[1:]
		},
		"record 3 at ledger/0@8 was handled, and its output 0 is not in ledger.answers.other": func(b *books, _ *samples) {
			i := of(b, both)
			b.outputs = slices.Delete(b.outputs, i, i+1)
		},
		"record 101 at ledger.ledger.retry.1s/0@0 was handled, and its output 0 is not in": func(b *books, _ *samples) {
			i := of(b, inSoon)
			b.outputs = slices.Delete(b.outputs, i, i+1)
		},
		"output 0 of record 199 is at ledger.answers/0@99, and ledger/0@5 was not handled": func(b *books, _ *samples) {
			b.outputs = append(b.outputs, answer(b.produced[5], 0, answers.Name(), 99))
		},
		"output 0 of record 101 is at ledger.answers/0@99, and ledger/0@3 was not handled": func(b *books, _ *samples) { // there it failed
			b.outputs = append(b.outputs, answer(b.produced[3], 0, answers.Name(), 99))
		},
		"and does not belong there: ledger/0@9 has record 7": func(b *books, _ *samples) {
			b.outputs = append(b.outputs, answer(b.produced[9], 0, answers.Name(), 99))
		},
		"and does not belong there: ledger/0@0 has record 1": func(b *books, _ *samples) {
			b.outputs[0].Topic = otherAnswers.Name()
		},
		`with key "other" is at ledger.answers/0@0, and does not belong there`: func(b *books, _ *samples) {
			b.outputs[0].Key = []byte("other")
		},
		`"nonsense" is at ledger.answers/0@0`: func(b *books, _ *samples) {
			b.outputs[0].Value = []byte("nonsense")
		},
		"output 0 of record 1 was written once more, to ledger.answers/0@99, than ledger/0@0 was handled": func(b *books, _ *samples) {
			b.outputs = append(b.outputs, answer(b.handled[0], 0, answers.Name(), 99))
		},
		"output 0 of ledger/0@0 is at ledger.answers/0@1, behind output 0 of ledger/0@1": func(b *books, _ *samples) {
			b.outputs[0].Offset, b.outputs[1].Offset = b.outputs[1].Offset, b.outputs[0].Offset
		},
		"output 0 of ledger/0@7 is at ledger.answers/0@6, behind output 1 of ledger/0@7": func(b *books, _ *samples) {
			i := of(b, two)
			b.outputs[i].Offset, b.outputs[i+1].Offset = b.outputs[i+1].Offset, b.outputs[i].Offset
		},
		"I1: 10 of ledger/0 was committed at": func(b *books, _ *samples) { // one of two outputs came too late
			at := &b.outputs[len(b.outputs)-1].Timestamp
			*at = at.Add(time.Minute)
		},
		"I1: 1 of ledger.ledger.retry.1s/0 was committed at": func(b *books, _ *samples) {
			at := &b.outputs[of(b, inSoon)].Timestamp
			*at = at.Add(time.Millisecond)
		},
		"I1: 8 of ledger/0 was committed at": func(b *books, s *samples) { // the topic did not have it yet
			s.ends = append(s.ends, sample{time.Unix(0, b.handled[len(b.handled)-3].Time).Add(2 * time.Second), answers.Name(), 0, 6})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, seen := responded()
			spoil(b, &seen)
			NewWithT(t).Expect(b.compare(seen).breaches).To(ContainElement(ContainSubstring(name)))
		})
	}
}

// transacted are the same books, of a group whose outputs and offsets are in transactions.
func transacted() (*books, samples) {
	b, seen := responded()
	b.exactly = true
	return b, seen
}

func TestHonestBooksOfTransactionsAgree(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b, seen := transacted()
	b.handled = append(b.handled, b.handled[0])
	s := b.compare(seen)
	g.Expect(s.breaches).To(BeEmpty(), "what was handled may have been undone")
	g.Expect([]int{s.handled, s.duplicates, s.outputs, s.missing, s.doubled}).To(Equal([]int{8, 1, 9, 0, 0}))
}

func TestEveryBreachOfTransactionsIsFound(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(b *books){
		"output 0 of record 1, which is ledger/0@0, was committed once more, at ledger.answers/0@99": func(b *books) {
			b.handled = append(b.handled, b.handled[0])
			b.outputs = append(b.outputs, answer(b.handled[0], 0, answers.Name(), 99))
		},
		"record 1 at ledger/0@0 was handled, and its output 0 is not in ledger.answers": func(b *books) {
			b.outputs = b.outputs[1:]
		},
		"record 1 at offset 0 of partition 0 was never handled": func(b *books) {
			b.handled, b.outputs = b.handled[1:], b.outputs[1:]
		},
		"output 0 of ledger/0@0 is at ledger.answers/0@1, behind output 0 of ledger/0@1, and both": func(b *books) { // of another key
			for _, l := range []*line{&b.produced[1], &b.handled[1]} {
				l.Key = "other"
			}
			b.outputs[1].Key = []byte("other")
			b.outputs[0].Offset, b.outputs[1].Offset = b.outputs[1].Offset, b.outputs[0].Offset
		},
		"record 101, which was at ledger/0@3, is in ledger.ledger.retry.1s once more": func(b *books) {
			i := slices.IndexFunc(b.forwarded, func(r *kgo.Record) bool { return r.Topic == stages[1].topic })
			again := *b.forwarded[i]
			again.Offset = 9
			at := b.handled[slices.IndexFunc(b.handled, func(l line) bool { return l.Topic == stages[1].topic })]
			at.Offset = 9
			b.handled = append(b.handled, at)
			b.forwarded = append(b.forwarded, &again)
			b.outputs = append(b.outputs, answer(at, 0, answers.Name(), 99))
		},
		"record 199, which was at ledger/0@5, is in ledger.dlq once more": func(b *books) {
			again := *b.forwarded[slices.IndexFunc(b.forwarded, func(r *kgo.Record) bool { return r.Topic == letters })]
			again.Offset = 9
			b.forwarded = append(b.forwarded, &again)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, seen := transacted()
			spoil(b)
			NewWithT(t).Expect(b.compare(seen).breaches).To(ContainElement(ContainSubstring(name)))
		})
	}
}
