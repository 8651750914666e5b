package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/kafka"
)

const (
	// coolDown is how long a partition is left alone after its first unreadable batch; it doubles with every further one.
	coolDown     = time.Second
	coolDownMost = 30 * time.Second
	doublings    = 5
)

// unreadable looks whether an error is about a batch and not about the broker: the same fetch gets the same batch again, so the partition
// is left alone for a while, or the process stops. It reports whether the error is one.
func (r *runner) unreadable(tp kafka.TopicPartition, err error) bool {
	a := r.find(tp)
	if a == nil || !ofABatch(err) {
		return false
	}
	if r.settings.StopOnUnreadable {
		a.mu.Lock()
		at := a.fetched
		a.mu.Unlock()
		r.e.fatal(fmt.Errorf("group %q: %s/%d: the batch at offset %d cannot be read, and fetch.on_unreadable is stop: %w",
			r.id, tp.Topic, tp.Partition, at, err))
		return true
	}
	if !a.cooling.Swap(true) {
		wait := min(coolDown<<min(a.spoiled.Add(1)-1, doublings), coolDownMost)
		r.client.PauseFetchPartitions(map[string][]int32{tp.Topic: {tp.Partition}})
		r.tasks.Go(func() { r.retryUnreadable(a, wait) })
	}
	return true
}

// retryUnreadable fetches again from where the partition stands. The client may have gone on behind the batch by itself; whatever it brings
// until now is dropped.
func (r *runner) retryUnreadable(a *assignment, wait time.Duration) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-a.closing:
		return
	}
	r.inBetween(func() {
		if !a.is(stateFetching) {
			return
		}
		a.mu.Lock()
		at := a.fetched
		a.mu.Unlock()
		r.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{a.tp.Topic: {a.tp.Partition: {Epoch: -1, Offset: at}}})
		a.cooling.Store(false)
		r.flowMu.Lock()
		defer r.flowMu.Unlock()
		if !a.starve.Load() {
			r.client.ResumeFetchPartitions(map[string][]int32{a.tp.Topic: {a.tp.Partition}})
		}
	})
}

// ofABatch tells errors that lie in the data from those of brokers, networks and clients.
func ofABatch(err error) bool {
	var kafkaError *kerr.Error
	var lost *kgo.ErrDataLoss
	var session *kgo.ErrGroupSession
	var network net.Error
	switch {
	case errors.As(err, &kafkaError):
		return errors.Is(err, kerr.CorruptMessage) || errors.Is(err, kerr.UnsupportedCompressionType)
	case errors.As(err, &lost), errors.As(err, &session), errors.As(err, &network), errors.Is(err, context.DeadlineExceeded),
		errors.Is(err, errUnpositioned), errors.Is(err, kgo.ErrClientClosed), errors.Is(err, context.Canceled):
		return false
	case errors.Is(err, kgo.ErrMaxDecompress):
		return true
	}
	for _, text := range parseErrors {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// parseErrors are in the client's errors about a batch; it has no types for them.
var parseErrors = []string{ //nolint:gochecknoglobals // constant
	"not enough data", "encoded length", "encoded crc", "too short to allow for a crc", "unable to decompress", "unknown magic",
	"unknown batch magic", "unknown message magic", "invalid magic", "unknown attributes", "invalid record batch",
	"invalid compressed message set",
}
