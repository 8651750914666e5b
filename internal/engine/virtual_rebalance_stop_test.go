//go:build synctests

package engine_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/engine"
)

func TestVirtualF83_ForcedStopDuringARevokeIsBounded(t *testing.T) {
	virtually(t, func(t *testing.T, c *cluster, connect option) {
		c.topic("a", 2)
		stuck := newGate()
		defer stuck.release()
		c.produce("a", 0, 1)
		c.produce("a", 1, 1)
		first := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
			stuck.hold(m)
			return nil
		})), connect, withConfig(realTimeouts))
		<-stuck.entered
		<-stuck.entered
		second := c.run(t, each("a", newJournal().handler("second")), connect, withConfig(realTimeouts))
		g := NewWithT(t)
		g.Eventually(func() (closing int) {
			for _, s := range first.Status() {
				if s.State == "closing" {
					closing++
				}
			}
			return closing
		}, patience).Should(Equal(1))
		forced, cancel := context.WithCancel(t.Context())
		cancel()
		stopping := time.Now()
		g.Expect(first.Stop(forced)).To(MatchError(engine.ErrForced))
		t.Log("took", time.Since(stopping))
		g.Expect(time.Since(stopping)).To(BeNumerically("<=", 10*time.Second))
		await[callbacks.Assigned](t, second.events, 2)
		second.stop()
	})
}

func TestVirtualF83_StopAfterAnAbandonedHandlerIsForced(t *testing.T) {
	virtually(t, func(t *testing.T, c *cluster, connect option) {
		c.topic("a", 1)
		stuck := newGate()
		defer stuck.release()
		c.produce("a", 0, 1)
		p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
			stuck.hold(m)
			return nil
		})), connect, withConfig(realTimeouts))
		<-stuck.entered
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.UnknownMemberID})
		await[callbacks.Positioned](t, p.events, 2)
		stopping := time.Now()
		err := p.Stop(t.Context())
		t.Log("took", time.Since(stopping), err)
		g := NewWithT(t)
		g.Expect(err).To(MatchError(engine.ErrForced), "the handler of the lost epoch still runs")
	})
}
