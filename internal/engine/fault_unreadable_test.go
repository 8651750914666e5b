package engine_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/kafka"
)

// A batch of a format that nobody knows: the client goes on behind it by itself, which the engine must not.
func TestF60_BatchOfUnknownFormatIsNotPassed(t *testing.T) {
	t.Parallel()
	c, s := unreadable(t)
	s.magic = true
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")), s.connect())
	g := NewWithT(t)
	told := await(t, p.events, 1, func(e callbacks.FetchFailed) bool { return e.Partition == 0 })[0]
	g.Expect(told.Err).To(MatchError(And(ContainSubstring("cannot be read"), ContainSubstring("magic"))))
	j.await(t, "what comes before", func(j *journal) bool { return len(j.offsets("a", 0)) >= 5 })
	s.on.Store(false)
	j.await(t, "the rest", func(j *journal) bool { return len(j.offsets("a", 0)) >= 11 })
	p.stop()
	g.Expect(j.offsets("a", 0)).To(Equal(sequence(11)))
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(11))
}

const spoilt = "SPOIL-ME"

// spoiler is a network that flips a bit in every value that holds the word, while it is on.
type spoiler struct {
	on    atomic.Bool
	hit   atomic.Int32
	magic bool // the format of the batch instead
}

func (s *spoiler) dial(ctx context.Context, network, host string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, host)
	if err != nil {
		return nil, err
	}
	return &spoiltConn{conn, s}, nil
}

type spoiltConn struct {
	net.Conn

	s *spoiler
}

func (c *spoiltConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if at := bytes.Index(b[:n], []byte(spoilt)); at >= 0 && c.s.on.Load() {
		if c.s.magic {
			if head := batchAround(b[:n], at); head >= 0 {
				b[head+16] = 9
			}
		} else {
			b[at] ^= 1
		}
		c.s.hit.Add(1)
	}
	return n, err
}

// batchAround is where the record batch begins that holds the byte at: its length covers it, and its format is 2.
func batchAround(b []byte, at int) int {
	const head, length, format = 61, 8, 16
	for start := at - head; start >= 0; start-- {
		size := int(binary.BigEndian.Uint32(b[start+length:]))
		if b[start+format] == 2 && size > head-12 && size < 2000 && start+12+size > at && start+12+size <= len(b)+4 && b[start] == 0 {
			return start
		}
	}
	return -1
}

func (s *spoiler) connect() option {
	return withConnector(func(k *kafka.Cluster) kafka.Connector { return k.WithDialer(s.dial) })
}

// unreadable is a partition with five good records, one in a batch that does not arrive whole, and five more.
func unreadable(t *testing.T) (*cluster, *spoiler) {
	t.Helper()
	c, s := newCluster(t), &spoiler{}
	s.on.Store(true)
	c.topic("a", 2)
	for range 5 {
		c.send(record("a", 0, "good"))
	}
	c.send(record("a", 0, spoilt))
	for range 5 {
		c.send(record("a", 0, "good"))
	}
	return c, s
}

func TestF60_CorruptBatchHoldsUpItsPartitionAlone(t *testing.T) {
	t.Parallel()
	c, s := unreadable(t)
	fetches := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Count: -1, Observe: true})
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")), s.connect())
	told := await(t, p.events, 1, func(e callbacks.FetchFailed) bool { return e.Partition == 0 })[0]
	g := NewWithT(t)
	g.Expect(told.Err).To(MatchError(And(ContainSubstring("cannot be read"), ContainSubstring("crc"))))
	j.await(t, "what comes before", func(j *journal) bool { return len(j.offsets("a", 0)) == 5 })
	before := fetches.Hits()
	for range 20 {
		c.send(record("a", 1, "good"))
	}
	j.await(t, "the other partition", func(j *journal) bool { return len(j.offsets("a", 1)) == 20 })
	g.Expect(fetches.Hits()-before).To(BeNumerically("<", 200), "no busy loop")
	s.on.Store(false)
	j.await(t, "the rest", func(j *journal) bool { return len(j.offsets("a", 0)) == 11 })
	p.stop()
	g.Expect(j.offsets("a", 0)).To(Equal(sequence(11)))
	g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(11))
}

func TestF60_CorruptBatchStopsWhereThatIsThePolicy(t *testing.T) {
	t.Parallel()
	c, s := unreadable(t)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")), s.connect(), withConfig(func(cfg *config.Config) { cfg.Fetch.OnUnreadable = config.StopOnUnreadable }))
	g := NewWithT(t)
	g.Expect(awaitFatal(t, p)).To(MatchError(And(ContainSubstring("a/0: the batch at offset"), ContainSubstring("fetch.on_unreadable is stop"))))
	p.stop()
	g.Expect(c.committed("g", "a", 0)).To(BeNumerically("<=", 5))
}

func TestF61_BatchThatGrowsTooLargeIsTold(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "20000000"}))
	c.topic("a", 2)
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.GzipCompression()), kgo.ProducerBatchMaxBytes(15<<20))
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	defer cl.Close()
	g.Expect(cl.ProduceSync(t.Context(), record("a", 0, strings.Repeat("0", 12<<20))).FirstErr()).To(Succeed())
	c.produce("a", 1, 10)
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")), withConfig(func(cfg *config.Config) { cfg.Fetch.MaxBufferedBytes = 16 * config.MiB }))
	told := await(t, p.events, 1, func(e callbacks.FetchFailed) bool { return e.Partition == 0 })[0]
	g.Expect(told.Err).To(MatchError(ContainSubstring("decompresses to more")))
	j.awaitRecords(t, 10)
	_, most := p.buffered("g")
	g.Expect(most).To(BeNumerically("<", 16<<20))
	p.stop()
}
