// Package fake mends, for tests, where the embedded broker differs from Kafka.
package fake

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var errNotAsked = errors.New("not the request that was asked for")

// AnswerEpochs lets a cluster answer where the epoch of a leader ended. Of itself it answers -1 after a leader move with nothing appended
// since, which a client takes for data loss; a real broker answers the end offset.
func AnswerEpochs(c *kfake.Cluster) {
	c.ControlKey(int16(kmsg.OffsetForLeaderEpoch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		r, ok := req.(*kmsg.OffsetForLeaderEpochRequest)
		if !ok {
			return nil, errNotAsked, false
		}
		resp := kmsg.NewPtrOffsetForLeaderEpochResponse()
		resp.Version = r.Version
		for _, t := range r.Topics {
			rt := kmsg.NewOffsetForLeaderEpochResponseTopic()
			rt.Topic = t.Topic
			for _, p := range t.Partitions {
				rp := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
				rp.Partition, rp.LeaderEpoch = p.Partition, p.LeaderEpoch
				if info := c.PartitionInfo(t.Topic, p.Partition); info != nil {
					rp.EndOffset = info.HighWatermark
				}
				rt.Partitions = append(rt.Partitions, rp)
			}
			resp.Topics = append(resp.Topics, rt)
		}
		return resp, nil, true
	})
}
