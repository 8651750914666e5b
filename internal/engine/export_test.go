package engine

import (
	"time"

	"github.com/karafgo/karafgo/internal/kafka"
)

// DoneIn counts the offsets above a committed one that a commit's metadata says are done.
func DoneIn(metadata string, offset int64, epoch int32) (int64, error) {
	done, err := doneIn(metadata, position{offset, epoch})
	return done.count(), err
}

// Clock is what the clock said last.
func (e *Engine) Clock() time.Duration { return time.Duration(e.clock.now.Load()) }

// BusySince is when the clock saw a partition's handler last, 0 when none runs.
func (e *Engine) BusySince(group, topic string, partition int32) time.Duration {
	return time.Duration(e.group(group).find(kafka.TopicPartition{Topic: topic, Partition: partition}).busySince.Load())
}
