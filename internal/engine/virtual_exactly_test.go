//go:build synctests

package engine_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/engine"
)

// A cluster that is slow for a while ends transactions because their time is over, and says that their producer is fenced.
func TestVirtualF77_ATransactionWhoseTimeIsOverIsNoSecondProducer(t *testing.T) {
	const n, slow, timeout = 10, 5, 2 * time.Second
	virtually(t, func(t *testing.T, c *cluster, connect option) {
		g := NewWithT(t)
		c.topic("a", 1)
		c.topic("answers", 1)
		c.produce("a", 0, n)
		times := 0
		c.embedded.ControlKey(int16(kmsg.EndTxn), func(req kmsg.Request) (kmsg.Response, error, bool) {
			c.embedded.KeepControl()
			end, ok := req.(*kmsg.EndTxnRequest)
			if !ok || !end.Commit || times == slow {
				return nil, nil, false //nolint:nilnil // not answered here
			}
			times++
			c.embedded.SleepControl(func() { time.Sleep(timeout + time.Second) })
			resp := kmsg.NewPtrEndTxnResponse()
			resp.Version, resp.ErrorCode = end.Version, kerr.ProducerFenced.Code
			return resp, nil, true
		})
		p := c.prepare(t, exactlyOnce(false, always), connect, withConfig(func(cfg *config.Config) {
			defaults(cfg)
			cfg.Producer.TransactionTimeout = timeout
		}), withSettings(func(s *engine.Settings) {
			s.OnFatal = func(err error) { t.Errorf("it goes on: %v", err) }
		}))
		g.Expect(p.Start(t.Context())).To(Succeed())
		await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Offset == n })
		g.Expect(of[callbacks.TransactionAborted](p.events)).To(HaveLen(slow))
		g.Expect(p.Stop(t.Context())).To(Succeed())
	})
}
