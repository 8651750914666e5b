package testkit

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// answerEpochs works around a fault of the embedded broker: after a leader move with nothing written since, it does not know the end of a
// leader's epoch, which a client takes for lost data.
func answerEpochs(fake *kfake.Cluster) {
	fake.ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		asked, ok := req.(*kmsg.OffsetForLeaderEpochRequest)
		if !ok {
			return nil, errNotAsked, false
		}
		answer := kmsg.NewPtrOffsetForLeaderEpochResponse()
		answer.Version = asked.Version
		for _, t := range asked.Topics {
			at := kmsg.NewOffsetForLeaderEpochResponseTopic()
			at.Topic = t.Topic
			for _, p := range t.Partitions {
				ap := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
				ap.Partition, ap.LeaderEpoch = p.Partition, p.LeaderEpoch
				if info := fake.PartitionInfo(t.Topic, p.Partition); info != nil {
					ap.EndOffset = info.HighWatermark
				}
				at.Partitions = append(at.Partitions, ap)
			}
			answer.Topics = append(answer.Topics, at)
		}
		return answer, nil, true
	})
}

var errNotAsked = errors.New("not the request that was asked for")

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
