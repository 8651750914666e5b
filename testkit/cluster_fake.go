package testkit

import "github.com/twmb/franz-go/pkg/kgo"

// partitioner puts a record where its message says, else where its key does.
type partitioner struct{}

func (partitioner) ForTopic(string) kgo.TopicPartitioner { return partitioner{} }
func (partitioner) RequiresConsistency(*kgo.Record) bool { return true }

func (partitioner) Partition(r *kgo.Record, n int) int {
	if r.Partition != anyPartition {
		return int(r.Partition)
	}
	return int(byKey(r.Key, n))
}
