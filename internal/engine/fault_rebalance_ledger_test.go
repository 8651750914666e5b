package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/engine"
	"github.com/karafgo/karafgo/router"
)

// ledger checks the invariants of one topic while things happen, over all members of its group: it is told of every
// success before the engine is, sees every commit as the broker does, and hears of every grant before its partition can
// be fetched and of every revoke after the last commit. Members must not be lost without warning, and the records of a
// partition must have no gaps.
type ledger struct {
	topic string

	mu       sync.Mutex
	owner    map[int32]string
	next     map[int32]int64 // everything below was handled
	commits  map[int32]int64
	running  map[int32]int
	handled  int
	repeated int
	broken   []string
	nameless bool // member ids do not begin with a client's name, as with KIP-848
}

func (c *cluster) newLedger(topic string) *ledger {
	l := &ledger{
		topic: topic, owner: map[int32]string{}, next: map[int32]int64{}, commits: map[int32]int64{}, running: map[int32]int{},
	}
	c.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: topic, Count: -1, Observe: true,
		When: func(req kmsg.Request) bool {
			l.commit(req.(*kmsg.OffsetCommitRequest))
			return true
		},
	})
	return l
}

func (l *ledger) breachf(format string, args ...any) {
	l.broken = append(l.broken, fmt.Sprintf(format, args...))
}

// commit is called by the broker, more than once for a request with several partitions.
func (l *ledger) commit(req *kmsg.OffsetCommitRequest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range req.Topics {
		if t.Topic != l.topic {
			continue
		}
		for _, p := range t.Partitions {
			if p.Offset > l.next[p.Partition] {
				l.breachf("I1: %d of partition %d was committed, only those below %d are done", p.Offset, p.Partition, l.next[p.Partition])
			}
			if p.Offset < l.commits[p.Partition] {
				l.breachf("I3: the offset of partition %d went back from %d to %d", p.Partition, l.commits[p.Partition], p.Offset)
			}
			l.commits[p.Partition] = max(l.commits[p.Partition], p.Offset)
			if owner := l.owner[p.Partition]; !l.nameless && owner == "" || !l.nameless && !strings.HasPrefix(req.MemberID, owner+"-") {
				l.breachf("I3: %s committed %d of partition %d, its owner is %q", req.MemberID, p.Offset, p.Partition, owner)
			}
		}
	}
}

// member returns the listener of one member.
func (l *ledger) member(name string) callbacks.Listener {
	return callbacks.ListenerFunc(func(_ context.Context, e callbacks.Event) {
		l.mu.Lock()
		defer l.mu.Unlock()
		switch e := e.(type) {
		case callbacks.Assigned:
			if e.Topic != l.topic {
				return
			}
			if other := l.owner[e.Partition]; other != "" {
				l.breachf("I2: partition %d was granted to %s while %s had it", e.Partition, name, other)
			}
			l.owner[e.Partition] = name
		case callbacks.Revoked:
			if e.Topic == l.topic && l.owner[e.Partition] == name {
				delete(l.owner, e.Partition)
			}
		case callbacks.Unassigned:
			l.breachf("records of partition %d were polled and not assigned", e.Partition)
		}
	})
}

// handler calls h, if there is one, and enters its success.
func (l *ledger) handler(h consumer.Handler) consumer.Handler {
	return consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
		p := m.Record.Partition
		l.mu.Lock()
		l.running[p]++
		if l.running[p] > 1 {
			l.breachf("I2: two handlers at once in partition %d, offset %d", p, m.Offset)
		}
		l.mu.Unlock()
		var err error
		if h != nil {
			err = h.Handle(ctx, m)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.running[p]--
		if err == nil {
			l.enter(p, m.Offset)
		}
		return err
	})
}

func (l *ledger) enter(p int32, offset int64) {
	l.handled++
	switch next := l.next[p]; {
	case offset == next:
		l.next[p]++
	case offset < next:
		l.repeated++
	default:
		l.breachf("I1, I2: partition %d went from offset %d to %d", p, next, offset)
	}
}

// done reports whether each of the partitions 0..parts-1 is handled up to n.
func (l *ledger) done(parts int32, n int64) func() bool {
	return func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		for p := range parts {
			if l.next[p] < n {
				return false
			}
		}
		return true
	}
}

// expectClean checks what the ledger noted; it returns how many deliveries were repeated.
func (l *ledger) expectClean(t *testing.T) (repeated int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	NewWithT(t).Expect(l.broken[:min(len(l.broken), 5)]).To(BeEmpty())
	return l.repeated
}

// join runs a member of group g that consumes the ledger's topic.
func (l *ledger) join(t *testing.T, c *cluster, name string, h consumer.Handler, opts ...option) *process {
	t.Helper()
	return l.joinRoute(t, c, name, h, nil, opts...)
}

func (l *ledger) joinRoute(
	t *testing.T, c *cluster, name string, h consumer.Handler, more func(*router.Route), opts ...option,
) *process {
	t.Helper()
	var route []func(*router.Route)
	if more != nil {
		route = append(route, more)
	}
	own := []option{
		withConfig(func(cfg *config.Config) { cfg.Kafka.ClientID = name }),
		withSettings(func(s *engine.Settings) { s.Inline = append(s.Inline, l.member(name)) }),
	}
	return c.run(t, each(l.topic, l.handler(h), route...), append(own, opts...)...)
}
