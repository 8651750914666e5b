package admin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Replay says what is to be replayed.
type Replay struct {
	Selection

	// To is the topic that letters are written to; empty for the topic that each of them came from.
	To string
	// DryRun counts, and writes nothing.
	DryRun bool
	// Again begins at the first letter, also where an earlier replay of the same has come further.
	Again bool
	// Each is called after each part that was written, with what was done so far; nil for nobody.
	Each func(Replayed)
}

// Replayed is what came out.
type Replayed struct {
	// Letters is how many were written, or would be, by topic.
	Letters map[string]int
	// Passed is how many were not meant.
	Passed int
}

// progress is the consumer group whose offsets say how far a replay has come. What else is meant has another.
func (r Replay) progress(topic string) string {
	what := fmt.Sprintf("%+v to %q", r.Selection, r.To)
	sum := sha256.Sum256([]byte(what))
	const enough = 6
	return replayPrefix + topic + "." + hex.EncodeToString(sum[:enough])
}

const replayPrefix = "karafgo.replay."

// IsReplay is true of a group that nobody consumes in: its offsets say how far a replay has come.
func IsReplay(group string) bool { return strings.HasPrefix(group, replayPrefix) }

// Replay writes letters to the topics that they came from, or to another one: with their key, value and headers, without those that made
// them letters, to the partition that they came from if the topic has it. How far it has come is committed after each part that was
// acknowledged, so that a replay of the same goes on from there after an interruption; what was in progress then is written again.
//
// A topic that letters are written to must exist, and must not be the dead letter topic.
func (d *DeadLetters) Replay(ctx context.Context, topic string, r Replay) (Replayed, error) {
	done := Replayed{Letters: map[string]int{}}
	if r.To == topic {
		return done, fmt.Errorf("replay of %q to itself goes round: name another topic", topic)
	}
	if err := d.checkTargets(ctx, topic, r); err != nil {
		return done, err
	}
	from, err := d.begin(ctx, topic, r)
	if err != nil {
		return done, err
	}
	err = d.read(ctx, topic, r.Selection, from, func(records []*kgo.Record) (bool, error) {
		var out []*kgo.Record
		for _, rec := range records {
			if l := letterOf(rec); r.Has(l) {
				out = append(out, l.again(r.To))
			}
		}
		if !r.DryRun {
			if err := d.cl.ProduceSync(ctx, out...).FirstErr(); err != nil {
				return false, fmt.Errorf("write: %w; the replay goes on from where it is when it is started again", err)
			}
			if err := d.keep(ctx, r.progress(topic), records); err != nil {
				return false, err
			}
		}
		for _, rec := range out {
			done.Letters[rec.Topic]++
		}
		done.Passed += len(records) - len(out)
		if r.Each != nil && !r.DryRun {
			r.Each(done)
		}
		return true, nil
	})
	if err != nil {
		return done, fmt.Errorf("replay of %q: %w", topic, err)
	}
	return done, nil
}

// again is the record as it was.
func (l Letter) again(to string) *kgo.Record {
	r := &kgo.Record{Topic: to, Partition: l.Source.Partition, Key: l.Key, Value: l.Value}
	if to == "" {
		r.Topic = l.Source.Topic
	}
	for _, h := range l.Headers {
		if !strings.HasPrefix(h.Key, "karafgo-") {
			r.Headers = append(r.Headers, h)
		}
	}
	return r
}

// checkTargets looks at all letters before any of them is written: what cannot be replayed is found out at once.
func (d *DeadLetters) checkTargets(ctx context.Context, topic string, r Replay) error {
	targets := map[string]bool{}
	if r.To != "" {
		targets[r.To] = true
	}
	var homeless *Letter
	err := d.List(ctx, topic, r.Selection, func(l Letter) bool {
		if r.To == "" {
			if l.Source.Topic == "" {
				homeless = &l
				return false
			}
			targets[l.Source.Topic] = true
		}
		return true
	})
	switch {
	case err != nil:
		return err
	case homeless != nil:
		return fmt.Errorf("replay of %q: record %d of partition %d does not say where it came from: name a topic to replay to",
			topic, homeless.Offset, homeless.Partition)
	case targets[topic]:
		return fmt.Errorf("replay of %q: letters in it came from it: name another topic to replay to", topic)
	case len(targets) == 0:
		return nil
	}
	names := slices.Sorted(maps.Keys(targets))
	found, err := d.admin.ListTopics(ctx, names...)
	if err != nil {
		return fmt.Errorf("describe topics: %w", err)
	}
	for _, name := range names {
		if !found.Has(name) {
			return fmt.Errorf("replay of %q: topic %q does not exist: create it, or name another topic to replay to", topic, name)
		}
		if err := found[name].Err; err != nil {
			return fmt.Errorf("replay of %q: topic %q: %w", topic, name, err)
		}
	}
	return nil
}

// begin is how far an earlier replay of the same has come.
func (d *DeadLetters) begin(ctx context.Context, topic string, r Replay) (map[int32]int64, error) {
	if r.Again {
		return nil, nil //nolint:nilnil // from the beginning
	}
	offsets, err := d.admin.FetchOffsets(ctx, r.progress(topic))
	if errors.Is(err, kerr.GroupIDNotFound) {
		return nil, nil //nolint:nilnil // there was none
	}
	if err != nil {
		return nil, fmt.Errorf("find out how far an earlier replay has come: %w", err)
	}
	from := map[int32]int64{}
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.Topic == topic {
			from[o.Partition] = o.At
		}
	})
	return from, nil
}

// keep commits how far the replay has come.
func (d *DeadLetters) keep(ctx context.Context, group string, records []*kgo.Record) error {
	var at kadm.Offsets
	for _, r := range records {
		at.Add(kadm.Offset{Topic: r.Topic, Partition: r.Partition, At: r.Offset + 1, LeaderEpoch: r.LeaderEpoch})
	}
	if len(at) == 0 {
		return nil
	}
	if err := d.admin.CommitAllOffsets(ctx, group, at); err != nil {
		return fmt.Errorf("keep how far the replay has come: %w", err)
	}
	return nil
}
