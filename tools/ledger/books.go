package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// sample is what was committed at a moment.
type sample struct {
	at        time.Time
	partition int32
	offset    int64
}

// books are all journals.
type books struct {
	byKey    bool
	produced []line
	handled  []line // in the order of their time
}

func read(dir string, byKey bool) (*books, error) {
	b := &books{byKey: byKey}
	var err error
	if b.produced, err = entries(filepath.Join(dir, "producer.jsonl")); err != nil {
		return nil, err
	}
	names, err := filepath.Glob(filepath.Join(dir, "member-*.jsonl"))
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		lines, err := entries(name)
		if err != nil {
			return nil, err
		}
		b.handled = append(b.handled, lines...)
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
	fmt.Fprintf(&text, "produced %d, handled once %d, duplicates %d, largest duplicate window %d, lost = %d, out of order = %d, ",
		s.produced, s.handled, s.duplicates, s.window, s.lost, s.disordered)
	fmt.Fprintf(&text, "committed early = %d, members %d, recovery %s, seed %d",
		s.early, s.members, s.recovery.Round(time.Millisecond), s.seed)
	for _, b := range s.breaches {
		text.WriteString("\nBREACH " + b)
	}
	return text.String()
}

type place struct {
	partition int32
	offset    int64
}

// compare checks what must hold.
func (b *books) compare(samples []sample) *summary {
	s := &summary{produced: len(b.produced)}
	if s.produced == 0 {
		s.breachf("nothing was produced")
	}
	first := map[place]int64{} // when it was first handled
	last := map[line]int64{}   // the highest offset handled of what is in order: a partition, or a key in it
	byMember := map[string]bool{}
	for _, l := range b.handled {
		byMember[l.Member] = true
		at := place{l.Partition, l.Offset}
		order := line{Partition: l.Partition}
		if b.byKey {
			order.Key = l.Key
		}
		highest, some := last[order]
		if _, again := first[at]; again {
			s.duplicates++
			s.window = max(s.window, highest-l.Offset+1)
			continue
		}
		first[at] = l.Time
		if some && l.Offset < highest { // I2: first successes come in the order of offsets
			s.disordered++
			s.breachf("I2: offset %d of partition %d, key %s, was first handled by %s after %d",
				l.Offset, l.Partition, l.Key, l.Member, highest)
		}
		last[order] = max(highest, l.Offset)
	}
	s.handled, s.members = len(first), len(byMember)
	for _, l := range b.produced {
		if _, ok := first[place{l.Partition, l.Offset}]; !ok {
			s.lost++
			s.breachf("I1: record %d at offset %d of partition %d was never handled", l.Seq, l.Offset, l.Partition)
		}
	}
	b.checkCommits(s, samples, first)
	return s
}

// checkCommits checks that nothing was committed before it was handled, and that offsets never went back.
func (b *books) checkCommits(s *summary, samples []sample, first map[place]int64) {
	byPartition := map[int32][]place{}
	for at := range first {
		byPartition[at.partition] = append(byPartition[at.partition], at)
	}
	latest := map[place]int64{} // when all up to here had been handled
	for _, places := range byPartition {
		slices.SortFunc(places, func(a, b place) int { return cmp.Compare(a.offset, b.offset) })
		var t int64
		for _, at := range places {
			t = max(t, first[at])
			latest[at] = t
		}
	}
	committed := map[int32]int64{}
	for _, x := range samples {
		if x.offset < committed[x.partition] {
			s.breachf("I3: the committed offset of partition %d went back from %d to %d", x.partition, committed[x.partition], x.offset)
		}
		committed[x.partition] = max(committed[x.partition], x.offset)
		places := byPartition[x.partition]
		i, _ := slices.BinarySearchFunc(places, x.offset, func(at place, offset int64) int { return cmp.Compare(at.offset, offset) })
		if i == 0 {
			continue
		}
		if done := latest[places[i-1]]; done > x.at.UnixNano() {
			s.early++
			s.breachf("I1: %d of partition %d was committed at %s, and what is before it was done at %s", x.offset, x.partition,
				x.at.Format(time.TimeOnly+".000"), time.Unix(0, done).Format(time.TimeOnly+".000"))
		}
	}
}
