package framework

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/karafgo/karafgo/internal/engine"
)

// Control steers a running process. Take it as a parameter of a constructor, or with fx.Populate. Its methods return ErrNotRunning before
// the process has started; all of them are safe for concurrent use.
type Control struct {
	engine atomic.Pointer[engine.Engine]
}

// PartitionStatus is what one assigned partition is doing.
type PartitionStatus = engine.PartitionStatus

// Errors of Control.
var (
	// ErrNotRunning: the process has not started yet.
	ErrNotRunning = errors.New("the process has not started yet")
	// ErrUnknownTopic: no route of the group consumes the topic.
	ErrUnknownTopic = engine.ErrUnknownTopic
	// ErrNotAssigned: another process has the partition, or none.
	ErrNotAssigned = engine.ErrNotAssigned
	// ErrNotBlocking: the record is not the one that holds up its partition.
	ErrNotBlocking = engine.ErrNotBlocking
)

// Partitions returns the partitions that are assigned to this process, sorted.
func (c *Control) Partitions() ([]PartitionStatus, error) {
	e := c.engine.Load()
	if e == nil {
		return nil, ErrNotRunning
	}
	return e.Status(), nil
}

// PauseTopic hands over no more records of a topic in a group, until ResumeTopic or the end of the process: it holds for partitions that
// are assigned later, too. Deliveries in progress go on. Other processes of the group are not concerned.
func (c *Control) PauseTopic(group, topic string) error {
	return c.with(func(e *engine.Engine) error { return e.PauseTopic(group, topic) })
}

// ResumeTopic ends PauseTopic.
func (c *Control) ResumeTopic(group, topic string) error {
	return c.with(func(e *engine.Engine) error { return e.ResumeTopic(group, topic) })
}

// Quiet hands over no more records at all, until Wake: deliveries in progress end, what is done is committed, and the process keeps its
// place in its groups. Readiness is false meanwhile. SIGTSTP does the same.
func (c *Control) Quiet() error {
	return c.with(func(e *engine.Engine) error { e.Quiet(); return nil })
}

// Wake ends Quiet, as SIGCONT does.
func (c *Control) Wake() error {
	return c.with(func(e *engine.Engine) error { e.Wake(); return nil })
}

// Skip marks a record as consumed without its having been handled, where it holds up its partition: it has failed and waits for its next
// attempt. It never skips another record than the one named: ErrNotBlocking tells that this one does not wait. It waits for an attempt in
// progress until ctx ends.
func (c *Control) Skip(ctx context.Context, group, topic string, partition int32, offset int64) error {
	return c.with(func(e *engine.Engine) error { return e.Skip(ctx, group, topic, partition, offset) })
}

func (c *Control) with(fn func(*engine.Engine) error) error {
	e := c.engine.Load()
	if e == nil {
		return ErrNotRunning
	}
	return fn(e)
}
