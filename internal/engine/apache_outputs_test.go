//go:build apache

package engine_test

import (
	"strconv"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/tools/kafka"
	"github.com/karafgo/karafgo/tools/proxy"
)

func TestF74_TooFewReplicasAreInSync(t *testing.T) {
	inEveryOrder(t, func(t *testing.T, o ordering) {
		t.Helper()
		c, k := apache(t, kafka.Options{Brokers: 3})
		c.topic("a", 1)
		c.g.Expect(c.admin.CreateTopic(t.Context(), 1, 3, map[string]*string{"min.insync.replicas": new("3")}, "answers")).
			Error().NotTo(HaveOccurred())
		last := k.Brokers()[2]
		c.g.Expect(last.Stop(t.Context())).To(Succeed())
		refusedForEver(t, c, o, func() { c.g.Expect(last.Start(t.Context())).To(Succeed()) })
		times := c.answered()
		for at := range 10 * whole {
			c.g.Expect(times).To(HaveKey(strconv.Itoa(at)))
		}
	})
}

func TestF75_ConnectionsToRealBrokersAreResetWhileOutputsAreUnderWay(t *testing.T) {
	inEveryOrder(t, func(t *testing.T, o ordering) {
		t.Helper()
		var proxies []*proxy.Proxy
		c, _ := apache(t, kafka.Options{Brokers: 3, Front: func(_ int, address string) (string, error) {
			p, err := proxy.New(address)
			if err != nil {
				return "", err
			}
			t.Cleanup(p.Close)
			proxies = append(proxies, p)
			return p.Addr(), nil
		}})
		resetWhileOutputsAreUnderWay(t, c, o, proxies)
	})
}
