package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

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
		c.addrs = c.fake.ListenAddrs()
		behind = c.addrs
	case "kafka":
		c.apache, err = kafka.Start(ctx, kafka.Options{
			Brokers: o.brokers, Front: func(_ int, address string) (string, error) { return front(address) },
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

func (c *cluster) create(ctx context.Context, partitions int) error {
	_, err := c.admin.CreateTopic(ctx, int32(partitions), -1, nil, topic)
	return err
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

// observe samples committed offsets until ctx ends.
func (c *cluster) observe(ctx context.Context) (all []sample) {
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
		for _, r := range found[topic] {
			if r.Err == nil && r.At >= 0 {
				all = append(all, sample{now, r.Partition, r.At})
			}
		}
	}
}

// drain returns when everything is committed.
func (c *cluster) drain(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	open := "nothing is known"
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the group is not done %s after the last fault: %s", patience, open)
		case <-tick.C:
		}
		ask, stop := context.WithTimeout(ctx, patient)
		ends, err := c.admin.ListEndOffsets(ask, topic)
		if err == nil {
			err = ends.Error()
		}
		var at kadm.OffsetResponses
		if err == nil {
			at, err = c.admin.FetchOffsets(ask, group)
		}
		stop()
		if err != nil {
			open = err.Error()
			continue
		}
		open = ""
		ends.Each(func(end kadm.ListedOffset) {
			have, ok := at.Lookup(topic, end.Partition)
			if end.Offset > 0 && (!ok || have.At < end.Offset) {
				open = fmt.Sprintf("partition %d is at %d of %d", end.Partition, have.At, end.Offset)
			}
		})
		if open == "" {
			return nil
		}
	}
}

// grow adds partitions.
func (c *cluster) grow(ctx context.Context, n int) error {
	_, err := c.admin.CreatePartitions(ctx, n, topic)
	return err
}

// moveLeader gives a partition to another broker.
func (c *cluster) moveLeader(ctx context.Context, random *rand.Rand) error {
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
