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
	"github.com/twmb/franz-go/pkg/kmsg"

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

// stateDead is what brokers say of a group that there is not.
const stateDead = "Dead"

// describe looks at groups of any protocol: which one it is does not show in the list of a broker before Kafka 3.8.
func (c *Cluster) describe(ctx context.Context, listed kadm.ListedGroups) ([]Group, error) {
	var names []string
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
	errs := []error{c.describeClassic(ctx, found, c.describeConsumers(ctx, found, names))}
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

// describeConsumers describes groups of KIP-848, and returns the others. Brokers that do not know the protocol, or are told not to speak
// it, have none of them.
func (c *Cluster) describeConsumers(ctx context.Context, found map[string]*Group, names []string) (others []string) {
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups = names
	known := map[string]bool{}
	var ids map[[16]byte]string
	for _, shard := range c.cl.RequestSharded(ctx, req) { // each group has a coordinator of its own
		resp, ok := shard.Resp.(*kmsg.ConsumerGroupDescribeResponse)
		if shard.Err != nil || !ok {
			continue // asked by the other protocol, it says what is wrong
		}
		for _, d := range resp.Groups {
			if d.ErrorCode != 0 {
				continue
			}
			known[d.Group] = true
			g := found[d.Group]
			g.State, g.Protocol, g.Balancer, g.Coordinator = d.State, protocolConsumer, d.AssignorName, shard.Meta.NodeID
			for _, m := range d.Members {
				var assigned kadm.TopicsSet
				for _, t := range m.Assignment.TopicPartitions {
					if t.Topic == "" { // the embedded broker only tells ids
						ids = c.topicsByID(ctx, ids)
						t.Topic = ids[t.TopicID]
					}
					assigned.Add(t.Topic, t.Partitions...)
				}
				g.add(m.MemberID, m.ClientID, m.ClientHost, m.InstanceID, assigned)
			}
			slices.SortFunc(g.Members, func(a, b Member) int {
				return cmp.Or(cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.ID, b.ID))
			})
		}
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return known[name] })
}

// topicsByID asks once.
func (c *Cluster) topicsByID(ctx context.Context, known map[[16]byte]string) map[[16]byte]string {
	if known != nil {
		return known
	}
	known = map[[16]byte]string{}
	topics, _ := c.admin.ListTopics(ctx) // without a name, what is assigned is told all the same
	for _, t := range topics {
		known[t.ID] = t.Topic
	}
	return known
}

// describeClassic describes the groups of all other members.
func (c *Cluster) describeClassic(ctx context.Context, found map[string]*Group, names []string) error {
	if len(names) == 0 {
		return nil // none would mean all
	}
	described, err := c.admin.DescribeGroups(ctx, names...)
	var errs []error
	if err != nil {
		errs = append(errs, denied("describe groups", err))
	}
	for _, name := range names {
		switch d, ok := described[name]; {
		case !ok: // told above
		case errors.Is(d.Err, kerr.GroupIDNotFound):
			found[name].State = stateDead
		case d.Err != nil:
			errs = append(errs, denied(fmt.Sprintf("describe group %q", name), d.Err))
		default:
			found[name].classic(d)
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
		delete(own, "") // the embedded broker's, of a topic that was deleted
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
