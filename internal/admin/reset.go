package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/karafgo/karafgo/internal/kafka"
)

// Reset says what is to become of the committed offsets of a group.
type Reset struct {
	Group string
	// Topics are those whose offsets are meant, and Committed tells which others are if the group has committed some; nil for none.
	Topics    []string
	Committed func(topic string) bool
	// Partitions are the only ones, of one topic; empty for all.
	Partitions []int32
	// To is where the group begins again. By is how far from what is committed instead, when To is the zero Position.
	To Position
	By int64
	// New lets the group be one that there is not yet.
	New bool
}

// Move is what a reset does to a partition.
type Move struct {
	Group     string `json:"group"`
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	// Committed is the next offset to consume as it is, nil for none.
	Committed *int64 `json:"committed"`
	// New is what it becomes.
	New int64 `json:"new"`
	// Start and End are the first offset that there is, and the one that the next record will have.
	Start int64 `json:"start"`
	End   int64 `json:"end"`
	// Wanted is what was asked for, where there is no such offset: New is the nearest then.
	Wanted *int64 `json:"wanted,omitempty"`
	// Ahead is true where records beyond Committed are done already, as with handlers by key: they are forgotten, and come again.
	Ahead bool `json:"ahead"`

	mark string // metadata of the commit
}

// Again is how many offsets are consumed a second time.
func (m Move) Again() int64 {
	if m.Committed == nil {
		return 0
	}
	return max(min(*m.Committed, m.End)-m.New, 0)
}

// Skipped is how many offsets are not consumed at all.
func (m Move) Skipped() int64 {
	from := m.Start
	if m.Committed != nil {
		from = max(from, *m.Committed)
	}
	return max(m.New-from, 0)
}

// ActiveError tells that a group has members, so that its offsets are theirs.
type ActiveError struct {
	Group   string
	State   string
	Members []Member
}

// Error names the members.
func (e *ActiveError) Error() string {
	names := make([]string, 0, len(e.Members))
	for _, m := range e.Members {
		name := fmt.Sprintf("%s on %s", cmp.Or(m.Client, m.ID), m.Host)
		if m.Instance != "" {
			name += " (instance " + m.Instance + ")"
		}
		names = append(names, name)
	}
	const most = 5
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf("group %q is active (%s) and would commit over it: stop its members first: %s",
		e.Group, e.State, strings.Join(names, ", "))
}

// ErrNothingCommitted tells that a group has no offsets, and nobody named a topic.
var ErrNothingCommitted = errors.New("it has committed nothing: name a topic")

// PlanReset finds out what a reset would do, partition by partition, and changes nothing. Its error is an *ActiveError while the group has
// members.
func (c *Cluster) PlanReset(ctx context.Context, r Reset) ([]Move, error) {
	g, err := c.Group(ctx, r.Group)
	switch {
	case errors.Is(err, ErrNoGroup) && r.New:
	case err != nil:
		return nil, err
	case len(g.Members) > 0:
		return nil, &ActiveError{r.Group, g.State, g.Members}
	}
	at, err := c.stable(ctx, r.Group)
	if err != nil {
		return nil, err
	}
	topics := slices.Clone(r.Topics)
	for topic := range at {
		if r.Committed != nil && r.Committed(topic) {
			topics = append(topics, topic)
		}
	}
	slices.Sort(topics)
	if topics = slices.Compact(topics); len(topics) == 0 {
		return nil, fmt.Errorf("group %q: %w", r.Group, ErrNothingCommitted)
	}
	if len(r.Partitions) > 0 && len(topics) > 1 {
		return nil, fmt.Errorf("partitions of several topics are meant: name one of %s with --topic", strings.Join(topics, ", "))
	}
	details, err := c.describeTopics(ctx, topics)
	if err != nil {
		return nil, err
	}
	b := c.bounds(ctx, topics, false)
	if err := errors.Join(b.errs...); err != nil {
		return nil, err
	}
	to, err := c.resolve(ctx, r.To, b, topics)
	if err != nil {
		return nil, err
	}
	moves := []Move{}
	var errs []error
	for _, topic := range topics {
		partitions, err := meant(topic, slices.Sorted(maps.Keys(b.ends[topic])), r.Partitions)
		errs = append(errs, err)
		for _, p := range partitions {
			if err := to[topic][p].Err; err != nil {
				errs = append(errs, fmt.Errorf("find the offset of %s/%d at %s: %w", topic, p, r.To, err))
				continue
			}
			m := Move{
				Group: r.Group, Topic: topic, Partition: p, Start: b.starts[topic][p].Offset, End: b.ends[topic][p].Offset,
				mark: kafka.CommitMark(details[topic].ID),
			}
			if o, ok := at.Lookup(topic, p); ok && o.At >= 0 {
				m.Committed, m.Ahead = &o.At, kafka.DoneAhead(o.Metadata)
			}
			if m, ok := r.aim(m, to[topic][p].Offset); ok {
				moves = append(moves, m)
			}
		}
	}
	return moves, errors.Join(errs...)
}

// meant are the partitions that are named of those that there are, or all.
func meant(topic string, all, named []int32) ([]int32, error) {
	if len(named) == 0 {
		return all, nil
	}
	var errs []error
	for _, p := range named {
		if !slices.Contains(all, p) {
			errs = append(errs, fmt.Errorf("topic %q has no partition %d: it has 0 to %d", topic, p, len(all)-1))
		}
	}
	return slices.DeleteFunc(all, func(p int32) bool { return !slices.Contains(named, p) }), errors.Join(errs...)
}

// aim says where a partition goes; not at all, if it is to be counted from a commit that there is not.
func (r Reset) aim(m Move, at int64) (Move, bool) {
	if r.To == (Position{}) {
		if m.Committed == nil {
			return m, false
		}
		at = *m.Committed + r.By
	}
	m.New = max(m.Start, min(at, m.End))
	if m.New != at {
		m.Wanted = &at
	}
	return m, true
}

// stable reads what a group has committed, when no transaction with it is open.
func (c *Cluster) stable(ctx context.Context, group string) (kadm.OffsetResponses, error) {
	at, err := c.committed(kadm.RequireStable(ctx), group)
	if err == nil {
		err = at.Error()
	}
	switch {
	case errors.Is(err, kerr.GroupIDNotFound):
		return nil, nil //nolint:nilnil // it has committed nothing
	case errors.Is(err, kerr.UnstableOffsetCommit):
		return nil, fmt.Errorf("group %q: a transaction with its offsets is open: try again when it has ended, "+
			"which takes producer.transaction_timeout after a crash: %w", group, err)
	case err != nil:
		return nil, denied(fmt.Sprintf("fetch offsets of group %q", group), err)
	}
	return at, nil
}

// describeTopics fails for those that there are not.
func (c *Cluster) describeTopics(ctx context.Context, names []string) (kadm.TopicDetails, error) {
	details, err := c.admin.ListTopics(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("describe topics: %w", err)
	}
	var errs []error
	for _, name := range names {
		switch err := details[name].Err; {
		case !details.Has(name), errors.Is(err, kerr.UnknownTopicOrPartition):
			errs = append(errs, fmt.Errorf("topic %q: %w", name, ErrNoTopic))
		case errors.Is(err, kerr.TopicAuthorizationFailed):
			errs = append(errs, fmt.Errorf("topic %q: add an ACL for the operation DESCRIBE on it: %w", name, err))
		case err != nil:
			errs = append(errs, fmt.Errorf("topic %q: %w", name, err))
		}
	}
	return details, errors.Join(errs...)
}

// Reset commits what was planned: all of it in one request, with metadata that says which topic it was, and nothing of what was done beyond
// the old offset. done is called for every partition.
func (c *Cluster) Reset(ctx context.Context, group string, moves []Move, done func(Move, error)) error {
	var to kadm.Offsets
	for _, m := range moves {
		to.Add(kadm.Offset{Topic: m.Topic, Partition: m.Partition, At: m.New, LeaderEpoch: -1, Metadata: m.mark})
	}
	var results kadm.OffsetResponses
	err := kafka.Patiently(ctx, func() (err error) {
		results, err = c.admin.CommitOffsets(ctx, group, to)
		return err
	})
	if err != nil {
		return denied(fmt.Sprintf("commit offsets of group %q", group), err)
	}
	var errs []error
	for _, m := range moves {
		o, ok := results.Lookup(m.Topic, m.Partition)
		err := o.Err
		switch {
		case !ok:
			err = errUnanswered
		case errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.IllegalGeneration), errors.Is(err, kerr.StaleMemberEpoch),
			errors.Is(err, kerr.RebalanceInProgress), errors.Is(err, kerr.FencedMemberEpoch):
			err = fmt.Errorf("a member has joined the group meanwhile: stop it first: %w", err)
		case errors.Is(err, kerr.GroupAuthorizationFailed):
			err = fmt.Errorf("%w: add an ACL for the operation READ on the group", err)
		case errors.Is(err, kerr.TopicAuthorizationFailed):
			err = fmt.Errorf("%w: add an ACL for the operation READ on the topic", err)
		}
		done(m, err)
		if err != nil {
			errs = append(errs, fmt.Errorf("commit offset of %s/%d: %w", m.Topic, m.Partition, err))
		}
	}
	return errors.Join(errs...)
}

var errUnanswered = errors.New("the broker's answer does not name it")
