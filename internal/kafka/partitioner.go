package kafka

import "github.com/twmb/franz-go/pkg/kgo"

// AnyPartition is the partition of a record to produce that may go to any: where its key belongs, or where the producer likes.
const AnyPartition = -1

// numbered sends a record to the partition whose number it has, if the topic has it, and every other one as the client does by default: by
// the hash of its key, as Java's client has it.
type numbered struct{ kgo.Partitioner }

// perBatch is how much is sent to one partition before keyless records go to another: the client's default.
const perBatch = 64 << 10

func newPartitioner() kgo.Partitioner {
	return numbered{kgo.UniformBytesPartitioner(perBatch, true, true, nil)}
}

// ForTopic implements kgo.Partitioner.
func (p numbered) ForTopic(topic string) kgo.TopicPartitioner {
	return numberedTopic{p.Partitioner.ForTopic(topic).(kgo.TopicBackupPartitioner)} //nolint:forcetypeassert // newPartitioner made it
}

type numberedTopic struct{ kgo.TopicBackupPartitioner }

func (p numberedTopic) PartitionByBackup(r *kgo.Record, n int, backup kgo.TopicBackupIter) int {
	if r.Partition >= 0 && int(r.Partition) < n {
		return int(r.Partition)
	}
	return p.TopicBackupPartitioner.PartitionByBackup(r, n, backup)
}

func (p numberedTopic) RequiresConsistency(r *kgo.Record) bool {
	return r.Partition >= 0 || p.TopicBackupPartitioner.RequiresConsistency(r)
}
