package main

import (
	"encoding/binary"
	"slices"
	"strconv"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
)

// Records of each fate.
const (
	well, once, twice, inSoon, inLater, poison, permanent = 1, 97, 89, 101, 103, 199, 211
)

// honest are books in which everything is as it should be, at 10 s steps; and what was committed.
func honest() (*books, samples) {
	b := &books{failing: true, partitions: 1}
	now := time.Unix(1_800_000_000, 0)
	var seen samples
	next := map[string]int64{} // offset in a topic
	tell := func(l line) line {
		now = now.Add(10 * time.Second)
		l.Time, l.Began, l.Member = now.UnixNano(), now.UnixNano(), "m"
		return l
	}
	for i, seq := range []int64{well, once, twice, inSoon, inLater, poison, permanent} {
		f, at := fateOf(seq, true), line{Topic: topic, Offset: int64(i), Key: "k", Seq: seq}
		was := tell(at)
		b.produced = append(b.produced, was)
		for stage := 0; ; {
			failed := 0
			for attempt := 1; f.fail(stage, attempt) != nil; attempt++ {
				l := tell(at)
				l.Failed, failed = attempt, attempt
				b.failed = append(b.failed, l)
				if stage > 0 || attempt > retries || f.permanent() {
					break
				}
			}
			over := failed > retries || failed > 0 && (stage > 0 || f.permanent())
			if !over {
				b.handled = append(b.handled, tell(at))
				seen.committed = append(seen.committed, sample{now, at.Topic, 0, at.Offset + 1})
				break
			}
			from := at
			stage++
			if f.permanent() {
				stage = lettersStage
			}
			to := stages[stage]
			r := letter(was, to.topic, f, stage, next[to.topic], now)
			b.forwarded = append(b.forwarded, r)
			next[to.topic]++
			seen.committed = append(seen.committed, sample{now.Add(time.Second), from.Topic, 0, from.Offset + 1})
			if stage == lettersStage {
				break
			}
			at.Topic, at.Offset, at.Due = r.Topic, r.Offset, now.Add(to.delay).UnixNano()
		}
	}
	return b, seen
}

func letter(was line, name string, f fate, stage int, offset int64, now time.Time) *kgo.Record {
	r := &kgo.Record{
		Topic: name, Offset: offset, Timestamp: now,
		Key: []byte(was.Key), Value: binary.BigEndian.AppendUint64(nil, uint64(was.Seq)),
	}
	for _, h := range [][2]string{
		{consumer.HeaderSourceTopic, topic},
		{consumer.HeaderSourcePartition, "0"},
		{consumer.HeaderSourceOffset, strconv.FormatInt(was.Offset, 10)},
		{consumer.HeaderSourceTimestamp, time.Unix(0, was.Time).UTC().Format("2006-01-02T15:04:05.000Z07:00")},
		{consumer.HeaderSourceGroup, group},
		{consumer.HeaderAttempts, strconv.Itoa(f.attempts(stage))},
		{consumer.HeaderError, f.err.Error()},
	} {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h[0], Value: []byte(h[1])})
	}
	return r
}

func TestHonestBooksAgree(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b, seen := honest()
	s := b.compare(seen)
	g.Expect(s.breaches).To(BeEmpty())
	g.Expect([]int{s.produced, s.handled, s.retried, s.dead, s.letters, s.lost}).To(Equal([]int{7, 5, 3, 2, 2, 0}))
	b.handled = append(b.handled, b.handled[0])
	b.forwarded = append(b.forwarded, letter(b.produced[6], letters, fateOf(permanent, true), lettersStage, 2, time.Unix(2_000_000_000, 0)))
	s = b.compare(seen)
	g.Expect(s.breaches).To(BeEmpty(), "at least once")
	g.Expect([]int{s.duplicates, s.dead, s.letters}).To(Equal([]int{1, 2, 3}))
}

func TestEveryBreachIsFound(t *testing.T) {
	t.Parallel()
	of := func(all []line, seq int64) int {
		return slices.IndexFunc(all, func(l line) bool { return l.Seq == seq })
	}
	in := func(b *books, name string) *kgo.Record {
		return b.forwarded[slices.IndexFunc(b.forwarded, func(r *kgo.Record) bool { return r.Topic == name })]
	}
	for name, spoil := range map[string]func(b *books, seen *samples){
		"record 1 at offset 0 of partition 0 was never handled": func(b *books, _ *samples) {
			b.handled = b.handled[1:]
		},
		"record 101 at offset 3 of partition 0 was never handled": func(b *books, _ *samples) {
			i := of(b.handled, inSoon)
			b.handled = slices.Delete(b.handled, i, i+1)
		},
		"is not among the dead letters": func(b *books, _ *samples) {
			b.forwarded = b.forwarded[:len(b.forwarded)-1]
		},
		"was first handled by m after": func(b *books, _ *samples) {
			b.handled[0], b.handled[1] = b.handled[1], b.handled[0]
		},
		"was handled by m in ledger, and should not have been": func(b *books, _ *samples) {
			b.handled = append(b.handled, line{Topic: topic, Offset: 6, Seq: poison, Member: "m"})
		},
		"and should have been done in ledger": func(b *books, _ *samples) {
			b.forwarded = append(b.forwarded, letter(b.produced[1], letters, fateOf(once, true), lettersStage, 9, time.Unix(2_000_000_000, 0)))
		},
		"before it was due": func(b *books, _ *samples) {
			l := &b.handled[of(b.handled, inLater)]
			l.Began = l.Due - 1
		},
		"it had failed at": func(b *books, _ *samples) { // whatever its header says
			l := &b.handled[of(b.handled, inLater)]
			l.Due -= int64(later)
			l.Began = l.Due
		},
		"was never tried": func(b *books, _ *samples) {
			again := *in(b, stages[1].topic)
			again.Offset = 9
			b.forwarded = append(b.forwarded, &again)
		},
		`karafgo-source-offset "7", want "6" once`: func(b *books, _ *samples) {
			r := b.forwarded[len(b.forwarded)-1]
			r.Headers[2].Value = []byte("7")
		},
		`karafgo-source-topic "", want "ledger" once`: func(b *books, _ *samples) {
			r := in(b, letters)
			r.Headers = append(r.Headers, r.Headers[0])
		},
		`has key "other", and had "k"`: func(b *books, _ *samples) {
			in(b, letters).Key = []byte("other")
		},
		"was in partition 0": func(b *books, _ *samples) {
			in(b, letters).Partition = 1
		},
		"what is before it was done at": func(_ *books, s *samples) {
			last := &s.committed[len(s.committed)-1] // it is committed after its letter was written
			last.at = last.at.Add(-2 * time.Second)
		},
		"was committed at": func(_ *books, s *samples) { // in a retry topic
			i := slices.IndexFunc(s.committed, func(x sample) bool { return x.topic == stages[2].topic })
			s.committed[i].at = s.committed[i].at.Add(-2 * time.Second)
		},
		"I1: 7 of ledger/0 was committed at": func(_ *books, s *samples) { // the topic did not have its letter yet
			s.ends = append(s.ends, sample{s.committed[len(s.committed)-1].at.Add(time.Millisecond), letters, 0, 1})
		},
		"went back from": func(_ *books, s *samples) {
			s.committed = append(s.committed, sample{s.committed[len(s.committed)-1].at, topic, 0, 1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, seen := honest()
			spoil(b, &seen)
			NewWithT(t).Expect(b.compare(seen).breaches).To(ContainElement(ContainSubstring(name)))
		})
	}
}
