package admin

import (
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

// Group is a group of the cluster, whoever made it.
type Group struct {
	Group string `json:"group"`
	// State is as Kafka calls it: Stable, Empty, PreparingRebalance, …
	State string `json:"state"`
	// Protocol is how members join: classic, consumer (KIP-848), or what it is that is no group of consumers: connect, share, …
	Protocol string `json:"protocol"`
	// Balancer is how partitions are distributed; empty while there are no members.
	Balancer string `json:"balancer,omitempty"`
	// Coordinator is the id of the broker that looks after the group.
	Coordinator int32    `json:"coordinator"`
	Members     []Member `json:"members"`
	// Topics are those that it has committed offsets of, and those that its members are assigned.
	Topics []string `json:"topics"`
	// Partitions are those of the topics.
	Partitions []GroupPartition `json:"partitions"`
}

// Lag is the sum of what its partitions are behind.
func (g *Group) Lag() (n int64) {
	for _, p := range g.Partitions {
		n += p.Lag.Lag
	}
	return n
}

// Member is a client in a group.
type Member struct {
	ID     string `json:"id"`
	Client string `json:"client"`
	Host   string `json:"host"`
	// Instance is group.instance_id of a static member.
	Instance string     `json:"instance,omitempty"`
	Assigned []Assigned `json:"assigned"`
}

// Assigned are partitions of a topic, ascending.
type Assigned struct {
	Topic      string  `json:"topic"`
	Partitions []int32 `json:"partitions"`
}

// GroupPartition is how far a group is in a partition.
type GroupPartition struct {
	Lag

	// Member is the id of whom it is assigned to, empty for nobody.
	Member string `json:"member"`
}

// protocols of groups.
const (
	protocolClassic  = "classic"
	protocolConsumer = "consumer"
)

// Groups returns the groups of the cluster by name. What could not be found out is in the error; the rest is returned beside it.
func (c *Cluster) Groups(ctx context.Context) ([]Group, error) {
	listed, err := c.admin.ListGroups(ctx)
	if err != nil && len(listed) == 0 {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	if err != nil {
		err = fmt.Errorf("list groups: %w", err)
	}
	groups, derr := c.describe(ctx, listed)
	return groups, errors.Join(err, derr)
}

// ErrNoGroup tells that the group does not exist.
var ErrNoGroup = errors.New("the group does not exist")

// Group returns one group. Its error is ErrNoGroup where there is none of the name.
func (c *Cluster) Group(ctx context.Context, name string) (*Group, error) {
	listed := kadm.ListedGroups{name: {Group: name, ProtocolType: protocolConsumer}}
	var groups []Group
	err := kafka.Patiently(ctx, func() (err error) {
		groups, err = c.describe(ctx, listed)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case groups[0].State == stateDead:
		return nil, fmt.Errorf("group %q: %w", name, ErrNoGroup)
	}
	return &groups[0], nil
}

// stateDead is what brokers say of a group that there is not, or, asked by the classic protocol, of one that has another.
const stateDead = "Dead"

// describe looks at groups of any protocol: which one it is does not show in the list of a broker before Kafka 3.8.
func (c *Cluster) describe(ctx context.Context, listed kadm.ListedGroups) ([]Group, error) {
	var names, others []string
	found := map[string]*Group{}
	for _, l := range listed {
		found[l.Group] = &Group{
			Group: l.Group, State: l.State, Protocol: l.ProtocolType, Coordinator: l.Coordinator,
			Members: []Member{}, Topics: []string{}, Partitions: []GroupPartition{},
		}
		if l.ProtocolType == protocolConsumer || l.ProtocolType == "" { // empty: one that was never joined
			names = append(names, l.Group)
		}
	}
	if len(names) == 0 {
		return sorted(found), nil
	}
	var errs []error
	described, err := c.admin.DescribeGroups(ctx, names...)
	if err != nil {
		errs = append(errs, denied("describe groups", err))
	}
	for _, d := range described {
		switch {
		case errors.Is(d.Err, kerr.GroupIDNotFound), d.Err == nil && d.State == stateDead:
			others = append(others, d.Group)
		case d.Err != nil:
			errs = append(errs, denied(fmt.Sprintf("describe group %q", d.Group), d.Err))
		default:
			found[d.Group].classic(d)
		}
	}
	if len(others) > 0 {
		errs = append(errs, c.describeConsumers(ctx, found, others))
	}
	errs = append(errs, c.positions(ctx, found, names))
	return sorted(found), errors.Join(errs...)
}

func sorted(found map[string]*Group) []Group {
	groups := make([]Group, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		groups = append(groups, *found[name])
	}
	return groups
}

// denied adds the remedy where a right is missing.
func denied(what string, err error) error {
	if errors.Is(err, kerr.GroupAuthorizationFailed) {
		return fmt.Errorf("%s: %w: add an ACL for the operation DESCRIBE on the group", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

func (g *Group) classic(d kadm.DescribedGroup) {
	g.State, g.Protocol, g.Balancer, g.Coordinator = d.State, protocolClassic, d.Protocol, d.Coordinator.NodeID
	for _, m := range d.Members {
		var assigned kadm.TopicsSet
		if a, ok := m.Assigned.AsConsumer(); ok {
			for _, t := range a.Topics {
				assigned.Add(t.Topic, t.Partitions...)
			}
		}
		g.add(m.MemberID, m.ClientID, m.ClientHost, m.InstanceID, assigned)
	}
}

func (g *Group) add(id, client, host string, instance *string, assigned kadm.TopicsSet) {
	m := Member{ID: id, Client: client, Host: strings.TrimPrefix(host, "/"), Assigned: []Assigned{}}
	if instance != nil {
		m.Instance = *instance
	}
	for _, t := range assigned.Sorted() {
		m.Assigned = append(m.Assigned, Assigned{t.Topic, t.Partitions})
	}
	g.Members = append(g.Members, m)
}

// describeConsumers describes groups of KIP-848. One that is none of these either does not exist.
func (c *Cluster) describeConsumers(ctx context.Context, found map[string]*Group, names []string) error {
	for _, name := range names {
		found[name].State = stateDead
	}
	described, err := c.admin.DescribeConsumerGroups(ctx, names...)
	if err != nil && len(described) == 0 {
		return nil //nolint:nilerr // the broker does not know them
	}
	var errs []error
	for _, d := range described {
		g := found[d.Group]
		switch {
		case errors.Is(d.Err, kerr.GroupIDNotFound):
			continue
		case d.Err != nil:
			errs = append(errs, denied(fmt.Sprintf("describe group %q", d.Group), d.Err))
			continue
		}
		g.State, g.Protocol, g.Balancer, g.Coordinator = d.State, protocolConsumer, d.AssignorName, d.Coordinator.NodeID
		for _, m := range d.Members {
			g.add(m.MemberID, m.ClientID, m.ClientHost, m.InstanceID, m.Assignment)
		}
	}
	return errors.Join(errs...)
}

// positions adds what groups have committed, and how far that is from the end.
func (c *Cluster) positions(ctx context.Context, found map[string]*Group, names []string) error {
	var errs []error
	fetched := c.admin.FetchManyOffsets(ctx, names...)
	topics := map[string]bool{}
	for _, name := range names {
		g, own := found[name], map[string]bool{}
		if f := fetched[name]; f.Err != nil && !errors.Is(f.Err, kerr.GroupIDNotFound) {
			errs = append(errs, denied(fmt.Sprintf("fetch offsets of group %q", name), f.Err))
		}
		for topic := range fetched[name].Fetched {
			own[topic] = true
		}
		for _, m := range g.Members {
			for _, a := range m.Assigned {
				own[a.Topic] = true
			}
		}
		g.Topics = slices.Sorted(maps.Keys(own))
		if g.Topics == nil {
			g.Topics = []string{}
		}
		maps.Copy(topics, own)
	}
	b := c.bounds(ctx, c.existing(ctx, topics), false)
	errs = append(errs, b.errs...)
	for _, name := range names {
		g := found[name]
		owner := map[kafka.TopicPartition]string{}
		for _, m := range g.Members {
			for _, a := range m.Assigned {
				for _, p := range a.Partitions {
					owner[kafka.TopicPartition{Topic: a.Topic, Partition: p}] = m.ID
				}
			}
		}
		for _, topic := range g.Topics {
			lags, failed := b.lags(name, topic, fetched[name].Fetched)
			errs = append(errs, failed...)
			for _, l := range lags {
				g.Partitions = append(g.Partitions, GroupPartition{l, owner[kafka.TopicPartition{Topic: topic, Partition: l.Partition}]})
			}
		}
	}
	return errors.Join(errs...)
}

// existing leaves out topics that were deleted since a group committed offsets of them, or all if that cannot be found out.
func (c *Cluster) existing(ctx context.Context, topics map[string]bool) []string {
	if len(topics) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(topics))
	listed, err := c.admin.ListTopics(ctx, names...)
	if err != nil {
		return names // listing offsets tells what is wrong
	}
	return slices.DeleteFunc(names, func(name string) bool {
		return errors.Is(listed[name].Err, kerr.UnknownTopicOrPartition)
	})
}

// GroupNames returns the names of all groups of consumers, sorted.
func (c *Cluster) GroupNames(ctx context.Context) ([]string, error) {
	listed, err := c.admin.ListGroups(ctx)
	return listed.Groups(), err //nolint:wrapcheck // for whom it does not matter why
}

// TopicNames returns the names of all topics but Kafka's own, sorted.
func (c *Cluster) TopicNames(ctx context.Context) ([]string, error) {
	listed, err := c.admin.ListTopics(ctx)
	return listed.Names(), err //nolint:wrapcheck // for whom it does not matter why
}
