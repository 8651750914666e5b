package kafka

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"

	"github.com/karafgo/karafgo/internal/config"
)

// Cluster makes clients of one Kafka cluster from the configuration. It implements Connector.
type Cluster struct {
	cfg    config.Config
	logger kgo.Logger
	dial   Dial
	own    sasl.Mechanism // of the program; instead of kafka.sasl
	// balancers of the program; instead of group.balancers
	balancers   []kgo.GroupBalancer
	partitioner kgo.Partitioner // of the program; instead of producer.partitioner
	random      string          // of this process, for ids that nobody gave
}

// New makes a Cluster; nothing is connected yet. logger may be nil.
func New(cfg config.Config, logger kgo.Logger) *Cluster {
	return &Cluster{cfg: cfg, logger: logger, random: rand.Text()}
}

// WithDialer connects by dial instead of TCP: a virtual network in tests.
func (c *Cluster) WithDialer(dial Dial) *Cluster {
	with := *c
	with.dial = dial
	return &with
}

// WithSASL authenticates by a mechanism of the program, instead of the configured one.
func (c *Cluster) WithSASL(m sasl.Mechanism) *Cluster {
	with := *c
	with.own = m
	return &with
}

// WithBalancers distributes partitions by balancers of the program, instead of the configured ones.
func (c *Cluster) WithBalancers(b ...kgo.GroupBalancer) *Cluster {
	with := *c
	with.balancers = b
	return &with
}

// Only is the cluster as one of its brokers tells of it.
func (c *Cluster) Only(broker string) *Cluster {
	with := *c
	with.cfg.Kafka.Brokers = []string{broker}
	return &with
}

// Authentication is how this process says who it is: the mechanism of SASL as brokers call it, empty for none, and the name, where the
// configuration has one.
func (c *Cluster) Authentication() (mechanism, user string) {
	if m := c.mechanism(); m != nil {
		return m.Name(), c.cfg.Kafka.SASL.Username
	}
	return "", ""
}

func (c *Cluster) mechanism() sasl.Mechanism { //nolint:ireturn // kgo wants the interface
	if c.own != nil {
		return c.own
	}
	return mechanism(c.cfg.Kafka.SASL)
}

// Consumer joins a group.
func (c *Cluster) Consumer(g Group, cb Callbacks) (Consumer, error) { //nolint:ireturn // it implements Connector
	opts, err := c.base()
	if err != nil {
		return nil, err
	}
	gc := c.cfg.ForGroup(g.ID)
	m := &member{group: g.ID, cb: cb, answer: answerBytes(gc.Fetch), most: int64(gc.Fetch.MaxPartitionBytes)}
	m.read, m.instance = map[TopicPartition]Committed{}, gc.Group.InstanceID
	opts = append(opts, c.consumerOptions(g, gc)...)
	if g.Reuse {
		opts = append(opts, kgo.WithPools(&pool{}))
	}
	opts = append(opts,
		kgo.OnPartitionsAssigned(func(ctx context.Context, _ *kgo.Client, p map[string][]int32) { cb.Assigned(ctx, p) }),
		kgo.OnPartitionsRevoked(func(ctx context.Context, _ *kgo.Client, p map[string][]int32) { cb.Revoked(ctx, p) }),
		kgo.OnPartitionsLost(func(ctx context.Context, _ *kgo.Client, p map[string][]int32) { cb.Lost(ctx, p) }),
		kgo.OnOffsetsFetched(m.fetched),
		kgo.WithHooks(m),
		kgo.AdjustFetchOffsetsFn(m.adjust),
	)
	ctx, cancel := context.WithCancel(context.Background())
	cl, err := kgo.NewClient(append(opts, kgo.WithContext(ctx))...)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("configure client: %w", err)
	}
	m.Client, m.admin, m.cancel = cl, kadm.NewClient(cl), cancel
	m.made.Store(true)
	return m, nil
}

// member is a group's client.
type member struct {
	*kgo.Client

	admin *kadm.Client
	group string
	// instance is group.instance_id; empty when the member is not static.
	instance string
	cb       Callbacks
	answer   int64
	cancel   context.CancelFunc

	sizes   sync.Mutex
	made    atomic.Bool  // Client is set
	most    int64        // fetch.max_partition_bytes
	asked   int64        // of a fetch for one partition
	largest atomic.Int64 // no batch yet was larger

	mu   sync.Mutex
	read map[TopicPartition]Committed // of the offset fetch in progress
}

// fetched keeps what the broker has committed, of the partitions that it told without an error. kgo calls it before adjust.
func (m *member) fetched(_ context.Context, _ *kgo.Client, resp *kmsg.OffsetFetchResponse) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.read)
	for _, g := range resp.Groups {
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				if p.ErrorCode != 0 {
					continue
				}
				c := Committed{Offset: p.Offset, Epoch: p.LeaderEpoch}
				if p.Metadata != nil {
					c.Metadata = *p.Metadata
				}
				m.read[TopicPartition{t.Topic, p.Partition}] = c
			}
		}
	}
	return nil
}

// adjust lets the engine decide where partitions are fetched from.
func (m *member) adjust(ctx context.Context, kgoOffsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	m.mu.Lock()
	committed := make(map[TopicPartition]Committed, len(m.read))
	maps.Copy(committed, m.read)
	m.mu.Unlock()
	at, err := m.cb.Position(ctx, committed)
	if err != nil {
		return nil, err
	}
	for tp, o := range at {
		if kgoOffsets[tp.Topic] == nil {
			kgoOffsets[tp.Topic] = map[int32]kgo.Offset{}
		}
		kgoOffsets[tp.Topic][tp.Partition] = kgo.NewOffset().At(o.Offset).WithEpoch(o.Epoch)
	}
	return kgoOffsets, nil
}

// MemberID implements Consumer.
func (m *member) MemberID() string {
	id, _ := m.GroupMetadata()
	return id
}

// Commit implements Consumer.
func (m *member) Commit(ctx context.Context, at Offsets) (failed map[TopicPartition]error, err error) {
	byTopic := map[string]map[int32]kgo.EpochOffset{}
	for tp, o := range at {
		if byTopic[tp.Topic] == nil {
			byTopic[tp.Topic] = map[int32]kgo.EpochOffset{}
		}
		byTopic[tp.Topic][tp.Partition] = kgo.EpochOffset{Epoch: o.Epoch, Offset: o.Offset}
	}
	ctx = kgo.PreCommitFnContext(ctx, func(req *kmsg.OffsetCommitRequest) error {
		for t := range req.Topics {
			for p := range req.Topics[t].Partitions {
				part := &req.Topics[t].Partitions[p]
				metadata := at[TopicPartition{req.Topics[t].Topic, part.Partition}].Metadata
				part.Metadata = &metadata
			}
		}
		return nil
	})
	failed = map[TopicPartition]error{}
	answered := map[TopicPartition]bool{}
	m.CommitOffsetsSync(ctx, byTopic, func(_ *kgo.Client, req *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, rerr error) {
		if rerr != nil {
			err = fmt.Errorf("commit offsets: %w", rerr)
			return
		}
		names := map[[16]byte]string{} // from version 10 on the answer names topics by id
		for _, t := range req.Topics {
			names[t.TopicID] = t.Topic
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				tp := TopicPartition{cmp.Or(t.Topic, names[t.TopicID]), p.Partition}
				answered[tp] = true
				if e := kerr.ErrorForCode(p.ErrorCode); e != nil {
					failed[tp] = e
				}
			}
		}
	})
	if err != nil {
		return nil, err
	}
	for tp := range at {
		if !answered[tp] {
			failed[tp] = errNoAnswer
		}
	}
	return failed, nil
}

var errNoAnswer = errors.New("the broker's answer does not name the partition")

// FetchOffset implements Consumer. It names the partition in the request: asked for all, a broker leaves out what the client may not
// read, and that would look like a partition without an offset.
func (m *member) FetchOffset(ctx context.Context, tp TopicPartition) (Committed, error) {
	topics, err := m.admin.ListTopics(ctx, tp.Topic)
	if err == nil {
		err = topics[tp.Topic].Err
	}
	if err != nil {
		return Committed{}, fmt.Errorf("describe topic %q: %w", tp.Topic, err)
	}
	topic := kmsg.NewOffsetFetchRequestGroupTopic()
	topic.Topic, topic.TopicID, topic.Partitions = tp.Topic, topics[tp.Topic].ID, []int32{tp.Partition}
	group := kmsg.NewOffsetFetchRequestGroup()
	group.Group, group.Topics = m.group, append(group.Topics, topic)
	req := kmsg.NewPtrOffsetFetchRequest()
	req.RequireStable = true
	req.Groups = append(req.Groups, group)
	resp, err := req.RequestWith(ctx, m.Client)
	if err != nil {
		return Committed{}, fmt.Errorf("fetch offset of %s/%d: %w", tp.Topic, tp.Partition, err)
	}
	for _, g := range resp.Groups {
		if err := kerr.ErrorForCode(g.ErrorCode); err != nil {
			return Committed{}, fmt.Errorf("fetch offset of %s/%d: %w", tp.Topic, tp.Partition, err)
		}
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				if p.Partition != tp.Partition {
					continue
				}
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					return Committed{}, fmt.Errorf("fetch offset of %s/%d: %w", tp.Topic, tp.Partition, err)
				}
				c := Committed{Offset: p.Offset, Epoch: p.LeaderEpoch}
				if p.Metadata != nil {
					c.Metadata = *p.Metadata
				}
				return c, nil
			}
		}
	}
	return Committed{}, fmt.Errorf("fetch offset of %s/%d: %w", tp.Topic, tp.Partition, errNoAnswer)
}

// ListOffsets implements Consumer.
func (m *member) ListOffsets(ctx context.Context, at At, topics ...string) (map[TopicPartition]int64, error) {
	var listed kadm.ListedOffsets
	var err error
	switch at.kind {
	case atEnd:
		listed, err = m.admin.ListEndOffsets(ctx, topics...)
	case atTime:
		listed, err = m.admin.ListOffsetsAfterMilli(ctx, at.time.UnixMilli(), topics...)
	default:
		listed, err = m.admin.ListStartOffsets(ctx, topics...)
	}
	if err != nil {
		return nil, fmt.Errorf("list offsets: %w", err)
	}
	offsets := map[TopicPartition]int64{}
	listed.Each(func(o kadm.ListedOffset) {
		if o.Err == nil {
			offsets[TopicPartition{o.Topic, o.Partition}] = o.Offset
		}
	})
	return offsets, nil
}

// SetPartitionBytes implements Consumer.
func (m *member) SetPartitionBytes(n int64) {
	m.sizes.Lock()
	defer m.sizes.Unlock()
	m.asked = n
	m.resize()
}

// resize is called with the lock held. Less than a batch of a partition is no progress: the broker sends one all the same of the first
// partition of an answer and of no other, so that a thousand partitions would take as many fetches. What a partition may send stays in the
// broker's fetch session (KIP-227) until the partition has sent something, so it begins with what most batches fit into.
func (m *member) resize() {
	needed := m.largest.Load()
	if needed == 0 {
		needed = min(unknownBatch, m.most)
	}
	m.UpdateFetchMaxBytes(int32(m.answer), int32(min(max(m.asked, needed), m.answer)))
}

// unknownBatch is what a batch is taken to have before one was seen, in bytes.
const unknownBatch = 128 << 10

// OnFetchBatchRead implements kgo.HookFetchBatchRead: it learns how large batches are, as powers of two.
func (m *member) OnFetchBatchRead(_ kgo.BrokerMetadata, _ string, _ int32, batch kgo.FetchBatchMetrics) {
	size := int64(batch.CompressedBytes) + batchHeader
	if size <= m.largest.Load() || !m.made.Load() {
		return
	}
	m.sizes.Lock()
	defer m.sizes.Unlock()
	if size <= m.largest.Load() {
		return
	}
	m.largest.Store(1 << bits.Len64(uint64(size)))
	m.resize()
}

// batchHeader is what a record batch has beside its records, in bytes.
const batchHeader = 61

// Leave implements Consumer.
func (m *member) Leave(ctx context.Context) error {
	id, _ := m.GroupMetadata()
	err := m.LeaveGroupContext(ctx)
	if errors.Is(err, kerr.InvalidRequest) && m.instance != "" {
		err = m.leaveStatic(ctx, id)
	}
	if err != nil {
		return fmt.Errorf("leave group: %w", err)
	}
	return nil
}

// leaveStatic says what kgo 1.22 leaves out: a static member of the protocol of KIP-848 goes, to come back, by its instance id. Without it
// the broker refuses, and refuses the next process of that instance too until the session has expired.
func (m *member) leaveStatic(ctx context.Context, id string) error {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.InstanceID = m.group, id, &m.instance
	req.MemberEpoch = -2 // static, for a while
	resp, err := req.RequestWith(ctx, m.Client)
	if err != nil {
		return err //nolint:wrapcheck // by the caller
	}
	return kerr.ErrorForCode(resp.ErrorCode) //nolint:wrapcheck // as above
}

// Close implements Consumer. A join that the broker holds, for as long as other members take to rejoin, would hold it up too: kgo
// waits for it unless the client's context ends. Whoever wants to leave in order calls Leave before.
func (m *member) Close() {
	m.cancel()
	m.CloseAllowingRebalance()
}
