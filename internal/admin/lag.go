package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/router"
)

// Lag is how far a group is behind in one partition.
type Lag struct {
	Group     string `json:"group"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// Committed is the next offset to consume, nil when the group has committed none.
	Committed *int64 `json:"committed"`
	// End is the offset that the next record will have; of a group that reads committed transactions only, that of the first open one.
	End int64 `json:"end"`
	// Lag is how many offsets are between what is committed and the end. What retention has deleted does not count. Without a commit, all
	// that is there counts.
	Lag int64 `json:"lag"`
}

// Lag returns how far the groups of a program are behind, by group, topic and partition: of the topics that its routes name or match.
// committed tells which groups read committed transactions only. Its error names what could not be read; the rest is returned beside it.
func (c *Cluster) Lag(ctx context.Context, t *router.Table, committed func(group string) bool) ([]Lag, error) {
	found, err := c.topics(ctx, t)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, name := range t.Topics() {
		if !found.Has(name) {
			errs = append(errs, fmt.Errorf("topic %q does not exist: `topics plan` says what is missing", name))
		}
	}
	ends := map[bool]*bounds{}
	lags := []Lag{}
	groups := t.Groups()
	slices.SortFunc(groups, func(a, b router.GroupSpec) int { return cmp.Compare(a.ID, b.ID) })
	for _, g := range groups {
		isolated := committed(g.ID)
		if ends[isolated] == nil {
			ends[isolated] = c.bounds(ctx, slices.Sorted(maps.Keys(found)), isolated)
			errs = append(errs, ends[isolated].errs...)
		}
		at, err := c.committed(ctx, g.ID)
		if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // not found: it has committed nothing
			errs = append(errs, fmt.Errorf("fetch offsets of group %q: %w", g.ID, err))
			continue
		}
		for _, topic := range slices.Sorted(maps.Keys(found)) {
			if consumes(g, topic) {
				some, failed := ends[isolated].lags(g.ID, topic, at)
				lags, errs = append(lags, some...), append(errs, failed...)
			}
		}
	}
	return lags, errors.Join(errs...)
}

// committed asks again while there is no coordinator, as in a cluster that has just seen its first group.
func (c *Cluster) committed(ctx context.Context, group string) (at kadm.OffsetResponses, err error) {
	err = kafka.Patiently(ctx, func() error {
		at, err = c.admin.FetchOffsets(ctx, group)
		return err
	})
	return at, err
}

// bounds are the first offsets of partitions, and their ends.
type bounds struct {
	starts, ends kadm.ListedOffsets
	errs         []error
}

func (c *Cluster) bounds(ctx context.Context, topics []string, committed bool) *bounds {
	b := &bounds{}
	if len(topics) == 0 {
		return b // none would mean all
	}
	list := c.admin.ListEndOffsets
	if committed {
		list = c.admin.ListCommittedOffsets
	}
	var err error
	// A broker that does not answer fails its own partitions only.
	if b.ends, err = list(ctx, topics...); err != nil {
		b.errs = append(b.errs, fmt.Errorf("list the ends of topics: %w", err))
	}
	if b.starts, err = c.admin.ListStartOffsets(ctx, topics...); err != nil {
		b.errs = append(b.errs, fmt.Errorf("list the first offsets of topics: %w", err))
	}
	for _, listed := range []kadm.ListedOffsets{b.ends, b.starts} {
		listed.Each(func(o kadm.ListedOffset) {
			if o.Err != nil {
				b.errs = append(b.errs, fmt.Errorf("list offsets of %s/%d: %w", o.Topic, o.Partition, o.Err))
			}
		})
	}
	return b
}

// lags leaves out what could not be read, which must not look like a partition without a commit.
func (b *bounds) lags(group, topic string, at kadm.OffsetResponses) (lags []Lag, errs []error) {
	for _, p := range slices.Sorted(maps.Keys(b.ends[topic])) {
		end := b.ends[topic][p]
		start, ok := b.starts.Lookup(topic, p)
		if !ok || end.Err != nil || start.Err != nil {
			continue
		}
		l := Lag{Group: group, Topic: topic, Partition: p, End: end.Offset}
		from := start.Offset
		if o, ok := at.Lookup(topic, p); ok && o.Err != nil {
			errs = append(errs, fmt.Errorf("fetch offset of group %q for %s/%d: %w", group, topic, p, o.Err))
			continue
		} else if ok && o.At >= 0 {
			l.Committed = &o.At
			from = max(from, o.At)
		}
		l.Lag = max(l.End-from, 0)
		lags = append(lags, l)
	}
	return lags, errs
}
