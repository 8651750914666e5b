package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/internal/fake"
	"github.com/karafgo/karafgo/tools/kafka"
	"github.com/karafgo/karafgo/tools/proxy"
)

// cluster is what the processes talk to, through proxies; the ledger itself asks behind them.
type cluster struct {
	addrs   []string // of the proxies
	fake    *kfake.Cluster
	apache  *kafka.Cluster
	proxies []*proxy.Proxy
	client  *kgo.Client
	admin   *kadm.Client
}

func startCluster(ctx context.Context, o options) (_ *cluster, err error) {
	c := &cluster{}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	front := func(to string) (string, error) {
		p, err := proxy.New(to)
		if err != nil {
			return "", err
		}
		c.proxies = append(c.proxies, p)
		return p.Addr(), nil
	}
	var behind []string
	switch o.broker {
	case "kfake":
		c.fake, err = kfake.NewCluster(kfake.NumBrokers(o.brokers), kfake.ListenFn(func(network, address string) (net.Listener, error) {
			l, err := (&net.ListenConfig{}).Listen(ctx, network, address)
			if err != nil {
				return nil, err
			}
			told, err := front(l.Addr().String())
			if err != nil {
				return nil, err
			}
			to, err := net.ResolveTCPAddr("tcp", told)
			return fronted{l, to}, err
		}))
		if err != nil {
			return nil, err
		}
		fake.AnswerEpochs(c.fake)
		c.addrs = c.fake.ListenAddrs()
		behind = c.addrs
	case "kafka":
		c.apache, err = kafka.Start(ctx, kafka.Options{
			Brokers: o.brokers, Front: func(_ int, address string) (string, error) { return front(address) },
			// How often it looks for transactions whose time is over, which hold up everybody behind them: 10 s of itself.
			Config: map[string]string{"transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000"},
		})
		if err != nil {
			return nil, err
		}
		c.addrs = c.apache.Addrs()
		behind = c.addrs
	default:
		return nil, fmt.Errorf("-broker %q: it is kfake or kafka", o.broker)
	}
	c.client, err = kgo.NewClient(kgo.SeedBrokers(behind...), kgo.MetadataMinAge(200*time.Millisecond), kgo.DisableClientMetrics())
	if err != nil {
		return nil, err
	}
	c.admin = kadm.NewClient(c.client)
	return c, nil
}

// fronted is a listener behind a proxy, which is what clients are told.
type fronted struct {
	net.Listener

	told net.Addr
}

func (f fronted) Addr() net.Addr { return f.told }

// create makes the topics. What the group writes has the time at which the broker had it, not at which it was sent.
func (c *cluster) create(ctx context.Context, o options) error {
	if _, err := c.admin.CreateTopic(ctx, int32(o.partitions), -1, nil, topic); err != nil {
		return err
	}
	names := o.writtenTo()
	if len(names) == 0 {
		return c.settle(ctx, topic)
	}
	config := map[string]*string{"message.timestamp.type": new("LogAppendTime")}
	made, err := c.admin.CreateTopics(ctx, int32(o.partitions), -1, config, names...)
	if err == nil {
		err = made.Error()
	}
	if err != nil {
		return err
	}
	return c.settle(ctx, append(names, topic)...)
}

// settle returns when every broker knows the topics: one that does not would have consumers give up that are starting.
func (c *cluster) settle(ctx context.Context, topics ...string) error {
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	ask := kmsg.NewPtrMetadataRequest()
	for _, name := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &name
		ask.Topics = append(ask.Topics, t)
	}
	for brokers := c.client.SeedBrokers(); len(brokers) > 0; {
		known, err := ask.RequestWith(ctx, brokers[0])
		if err != nil {
			return fmt.Errorf("ask for topics: %w", err)
		}
		if !slices.ContainsFunc(known.Topics, func(t kmsg.MetadataResponseTopic) bool { return t.ErrorCode != 0 }) {
			brokers = brokers[1:]
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("a broker does not know the topics: %w", ctx.Err())
		}
	}
	return nil
}

func (c *cluster) close() {
	if c.client != nil {
		c.client.Close()
	}
	for _, p := range c.proxies {
		p.Close()
	}
	if c.fake != nil {
		c.fake.Close()
	}
	if c.apache != nil {
		_ = c.apache.Close()
	}
}

// patient is how long a question to the cluster may take.
const patient = 5 * time.Second

// samples are what was committed, and where topics ended to which the group writes. Those ends are of the embedded broker, which does not
// note when it had a record.
type samples struct{ committed, ends []sample }

// observe takes samples until ctx ends.
func (c *cluster) observe(ctx context.Context, writtenTo []string) (all samples) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return all
		case <-tick.C:
		}
		ask, cancel := context.WithTimeout(ctx, patient)
		found, err := c.admin.FetchOffsets(ask, group)
		cancel()
		if err != nil {
			continue // the cluster is disturbed
		}
		now := time.Now()
		found.Each(func(r kadm.OffsetResponse) {
			if r.Err == nil && r.At >= 0 {
				all.committed = append(all.committed, sample{now, r.Topic, r.Partition, r.At})
			}
		})
		if c.fake == nil {
			continue
		}
		now = time.Now()
		for _, name := range writtenTo {
			for id := int32(0); ; id++ {
				info := c.fake.PartitionInfo(name, id)
				if info == nil {
					break
				}
				all.ends = append(all.ends, sample{now, name, id, info.HighWatermark})
			}
		}
	}
}

// drain returns when everything is committed: topic by topic, for what fails in one goes on to the next.
func (c *cluster) drain(ctx context.Context, topics []string, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	open := "nothing is known"
	for len(topics) > 0 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the group is not done %s after the last fault: %s", patience, open)
		case <-tick.C:
		}
		if open = c.open(ctx, topics[0]); open == "" {
			topics = topics[1:]
		}
	}
	return nil
}

// open says what of a topic is not committed, empty for nothing.
func (c *cluster) open(ctx context.Context, topic string) (what string) {
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	ends, err := c.admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return err.Error()
	}
	at, err := c.admin.FetchOffsets(ctx, group)
	if err != nil {
		return err.Error()
	}
	ends.Each(func(end kadm.ListedOffset) {
		have, ok := at.Lookup(topic, end.Partition)
		if end.Offset > 0 && (!ok || have.At < end.Offset) {
			what = fmt.Sprintf("partition %d of %s is at %d of %d", end.Partition, topic, have.At, end.Offset)
		}
	})
	return what
}

// awaitEnds returns when no transaction is open in any partition of the topics. Those of processes that were killed end when their time is
// over.
func (c *cluster) awaitEnds(ctx context.Context, topics []string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		ends, err := c.admin.ListEndOffsets(ctx, topics...)
		if err == nil {
			err = ends.Error()
		}
		stable, stableErr := c.admin.ListCommittedOffsets(ctx, topics...)
		if err = errors.Join(err, stableErr); err == nil {
			if err = stable.Error(); err == nil {
				ends.Each(func(end kadm.ListedOffset) {
					if at, _ := stable.Lookup(end.Topic, end.Partition); at.Offset < end.Offset {
						err = fmt.Errorf("a transaction is open at %s", place{end.Topic, end.Partition, at.Offset})
					}
				})
			}
		}
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// grow adds partitions.
func (c *cluster) grow(ctx context.Context, n int) error {
	_, err := c.admin.CreatePartitions(ctx, n, topic)
	return err
}

// moveLeader gives a partition of a topic to another broker.
func (c *cluster) moveLeader(ctx context.Context, topic string, random *rand.Rand) error {
	found, err := c.admin.ListTopics(ctx, topic)
	if err != nil {
		return err
	}
	partition := int32(random.IntN(max(len(found[topic].Partitions), 1)))
	if c.fake != nil {
		return c.fake.MoveTopicPartition(topic, partition, int32(random.IntN(3)))
	}
	// The first of the replicas is the preferred leader: turn them round, and elect it.
	replicas := found[topic].Partitions[partition].Replicas
	if len(replicas) < 2 {
		return nil
	}
	var change kadm.AlterPartitionAssignmentsReq
	change.Assign(topic, partition, append(replicas[1:], replicas[0]))
	if _, err := c.admin.AlterPartitionAssignments(ctx, change); err != nil {
		return err
	}
	set := kadm.TopicsSet{}
	set.Add(topic, partition)
	_, err = c.admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, set)
	return err
}
