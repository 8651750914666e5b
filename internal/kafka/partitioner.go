package kafka

import (
	"hash/crc32"
	"math/rand/v2"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/config"
)

// AnyPartition is the partition of a record to produce that may go to any: where its key belongs, or where the producer likes.
const AnyPartition = -1

// perBatch is how much is sent to one partition before keyless records go to another: the client's default.
const perBatch = 64 << 10

// WithPartitioner distributes what is produced by a partitioner of the program, instead of the configured one.
func (c *Cluster) WithPartitioner(p kgo.Partitioner) *Cluster {
	with := *c
	with.partitioner = p
	return &with
}

func (c *Cluster) newPartitioner() kgo.Partitioner {
	if c.partitioner != nil {
		return numbered{c.partitioner}
	}
	byKey := func(hash kgo.PartitionerHasher) kgo.Partitioner {
		return kgo.UniformBytesPartitioner(perBatch, true, true, hash)
	}
	switch c.cfg.Producer.Partitioner {
	case config.CRC32:
		return numbered{byKey(byCRC32)}
	case config.Random:
		return numbered{kgo.BasicConsistentPartitioner(func(string) func(*kgo.Record, int) int {
			return func(_ *kgo.Record, n int) int { return rand.IntN(n) }
		})}
	default:
		return numbered{byKey(nil)} // murmur2, as Java's client has it
	}
}

// byCRC32 is the partition of a key as ruby-kafka and librdkafka (consistent) have it.
func byCRC32(key []byte, n int) int { return int(crc32.ChecksumIEEE(key) % uint32(n)) }

// numbered sends a record to the partition whose number it has, if the topic has it, and every other one where the partitioner inside says.
type numbered struct{ kgo.Partitioner }

// ForTopic implements kgo.Partitioner.
func (p numbered) ForTopic(topic string) kgo.TopicPartitioner {
	inside := p.Partitioner.ForTopic(topic)
	if withBackup, ok := inside.(kgo.TopicBackupPartitioner); ok {
		return numberedBackup{numberedTopic{inside}, withBackup}
	}
	return numberedTopic{inside}
}

type numberedTopic struct{ kgo.TopicPartitioner }

func (p numberedTopic) Partition(r *kgo.Record, n int) int {
	if r.Partition >= 0 && int(r.Partition) < n {
		return int(r.Partition)
	}
	return p.TopicPartitioner.Partition(r, n)
}

func (p numberedTopic) RequiresConsistency(r *kgo.Record) bool {
	return r.Partition >= 0 || p.TopicPartitioner.RequiresConsistency(r)
}

// OnNewBatch tells a partitioner that wants to know.
func (p numberedTopic) OnNewBatch() {
	if told, ok := p.TopicPartitioner.(kgo.TopicPartitionerOnNewBatch); ok {
		told.OnNewBatch()
	}
}

// numberedBackup is for a partitioner that looks at how much partitions have buffered.
type numberedBackup struct {
	numberedTopic

	inside kgo.TopicBackupPartitioner
}

func (p numberedBackup) PartitionByBackup(r *kgo.Record, n int, backup kgo.TopicBackupIter) int {
	if r.Partition >= 0 && int(r.Partition) < n {
		return int(r.Partition)
	}
	return p.inside.PartitionByBackup(r, n, backup)
}
