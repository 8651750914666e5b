package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// sample is an offset at a moment.
type sample struct {
	at        time.Time
	topic     string
	partition int32
	offset    int64
}

// books are all journals, and what handlers could not handle.
type books struct {
	byKey, failing, respond bool
	exactly                 bool // what was written is what is committed of it
	partitions              int  // at the beginning
	produced                []line
	handled                 []line        // in the order of their time
	failed                  []line        // attempts
	forwarded               []*kgo.Record // what retry topics and the dead letter topic have
	outputs                 []*kgo.Record // what handlers wrote
}

func read(o options) (*books, error) {
	b := &books{byKey: o.byKey, failing: o.failing, respond: o.respond, exactly: o.exactly, partitions: o.partitions}
	var err error
	if b.produced, err = entries(filepath.Join(o.dir, "producer.jsonl")); err != nil {
		return nil, err
	}
	names, err := filepath.Glob(filepath.Join(o.dir, "member-*.jsonl"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		lines, err := entries(name)
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			if l.Failed > 0 {
				b.failed = append(b.failed, l)
			} else {
				b.handled = append(b.handled, l)
			}
		}
	}
	slices.SortStableFunc(b.handled, func(a, b line) int { return cmp.Compare(a.Time, b.Time) })
	return b, nil
}

// summary is what came out.
type summary struct {
	seed                          uint64
	produced, handled, duplicates int
	window                        int64
	lost, disordered, early       int
	retried, dead, letters, soon  int
	outputs, repeated, missing    int
	doubled, undone               int
	members                       int
	recovery                      time.Duration
	faults                        map[string]int
	breaches                      []string
}

func (s *summary) breachf(format string, args ...any) {
	const most = 50
	if len(s.breaches) < most {
		s.breaches = append(s.breaches, fmt.Sprintf(format, args...))
	}
}

func (s *summary) String() string {
	var faults []string
	for _, name := range faultNames() {
		if n := s.faults[name]; n > 0 {
			faults = append(faults, fmt.Sprintf("%s %d", name, n))
		}
	}
	var text strings.Builder
	fmt.Fprintf(&text, "faults: %s\n", strings.Join(faults, ", "))
	fmt.Fprintf(&text, "produced %d, handled once %d, retried later %d, dead-lettered %d in %d letters, ",
		s.produced, s.handled, s.retried, s.dead, s.letters)
	fmt.Fprintf(&text, "outputs %d, duplicates %d of records and %d of outputs, largest duplicate window %d, ",
		s.outputs, s.duplicates, s.repeated, s.window)
	fmt.Fprintf(&text, "aborted with their transactions %d, ", s.undone)
	fmt.Fprintf(&text, "lost = %d, outputs missing = %d, doubled = %d, out of order = %d, ", s.lost, s.missing, s.doubled, s.disordered)
	fmt.Fprintf(&text, "committed early = %d, retried early = %d, members %d, recovery %s, seed %d", s.early, s.soon, s.members,
		s.recovery.Round(time.Millisecond), s.seed)
	for _, b := range s.breaches {
		text.WriteString("\nBREACH " + b)
	}
	return text.String()
}

type place struct {
	topic     string
	partition int32
	offset    int64
}

func (p place) String() string { return fmt.Sprintf("%s/%d@%d", p.topic, p.partition, p.offset) }

// compare checks what must hold.
func (b *books) compare(seen samples) *summary {
	s := &summary{produced: len(b.produced)}
	if s.produced == 0 {
		s.breachf("nothing was produced")
	}
	done := map[place]int64{} // when it was first handled, or passed on
	last := map[line]int64{}  // the highest offset handled of what is in order: a partition, or a key in it
	handled := map[int64]bool{}
	byMember := map[string]bool{}
	for _, l := range b.handled {
		byMember[l.Member] = true
		handled[l.Seq] = true
		at := place{l.Topic, l.Partition, l.Offset}
		order := line{Topic: l.Topic, Partition: l.Partition}
		if b.byKey {
			order.Key = l.Key
		}
		highest, some := last[order]
		if _, again := done[at]; again {
			s.duplicates++
			s.window = max(s.window, highest-l.Offset+1)
			continue
		}
		done[at] = l.Time
		// I2: first successes come in the order of offsets. A retry topic gives it up.
		if some && l.Offset < highest && l.Topic == topic {
			s.disordered++
			s.breachf("I2: offset %d of partition %d, key %s, was first handled by %s after %d",
				l.Offset, l.Partition, l.Key, l.Member, highest)
		}
		last[order] = max(highest, l.Offset)
	}
	s.handled, s.members = len(handled), len(byMember)
	for _, l := range b.produced {
		if fateOf(l.Seq, b.failing).stage != lettersStage && !handled[l.Seq] {
			s.lost++
			s.breachf("I1: record %d at offset %d of partition %d was never handled", l.Seq, l.Offset, l.Partition)
		}
	}
	if b.failing {
		b.checkStages(s)
		b.checkForwarded(s, seen.ends, done)
	}
	if b.respond {
		b.checkOutputs(s, seen.ends, done)
	}
	checkCommits(s, seen.committed, done)
	return s
}

// part is a partition.
type part struct {
	topic     string
	partition int32
}

// checkCommits checks that nothing was committed before it was done, and that offsets never went back.
func checkCommits(s *summary, samples []sample, done map[place]int64) {
	byPartition := map[part][]place{}
	for at := range done {
		id := part{at.topic, at.partition}
		byPartition[id] = append(byPartition[id], at)
	}
	latest := map[place]int64{} // when all up to here had been done
	for _, places := range byPartition {
		slices.SortFunc(places, func(a, b place) int { return cmp.Compare(a.offset, b.offset) })
		var t int64
		for _, at := range places {
			t = max(t, done[at])
			latest[at] = t
		}
	}
	committed := map[part]int64{}
	for _, x := range samples {
		id := part{x.topic, x.partition}
		if x.offset < committed[id] {
			s.breachf("I3: the committed offset of %s/%d went back from %d to %d", x.topic, x.partition, committed[id], x.offset)
		}
		committed[id] = max(committed[id], x.offset)
		places := byPartition[id]
		i, _ := slices.BinarySearchFunc(places, x.offset, func(at place, offset int64) int { return cmp.Compare(at.offset, offset) })
		if i == 0 {
			continue
		}
		if t := latest[places[i-1]]; t > x.at.UnixNano() {
			s.early++
			s.breachf("I1: %d of %s/%d was committed at %s, and what is before it was done at %s", x.offset, x.topic, x.partition,
				clock(x.at.UnixNano()), clock(t))
		}
	}
}
