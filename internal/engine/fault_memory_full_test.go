//go:build full

package engine_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
)

// F59 in full: a gigabyte over 50 partitions, handlers that are stuck, then slow. The resident size is logged.
func TestF59_MemoryIsBoundedInFull(t *testing.T) {
	const parts, perPart, size, limit = 50, 200, 100 << 10, 64 << 20
	c := newCluster(t)
	c.topic("a", parts)
	value := make([]byte, size) // compresses well: the broker holds next to nothing, the consumer all of it
	for p := range int32(parts) {
		recs := make([]*kgo.Record, perPart)
		for i := range recs {
			recs[i] = &kgo.Record{Topic: "a", Partition: p, Value: value}
		}
		c.send(recs...)
	}
	g := NewWithT(t)
	t.Logf("resident before: %s", resident())
	open := make(chan struct{}) // not a gate: that would keep messages, and with them what they came in
	var handled, waiting atomic.Int64
	p := c.run(t, each("a", consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		if m.Offset == 0 {
			waiting.Add(1)
			<-open
		}
		if n := handled.Add(1); n%1000 == 0 {
			t.Logf("resident after %d records: %s", n, resident())
		}
		return nil
	})), withConfig(func(cfg *config.Config) { cfg.Fetch.MaxBufferedBytes = limit }))
	await(t, p.events, 1, func(e callbacks.Paused) bool {
		return e.Reason == callbacks.PausedMemory || e.Reason == callbacks.PausedQueue
	})
	held, _ := p.buffered("g")
	t.Logf("with %d handlers stuck: resident %s, queues hold %d MiB", waiting.Load(), resident(), held>>20)
	close(open)
	await(t, p.events, parts, func(e callbacks.Committed) bool { return e.Offset == perPart })
	p.stop()
	now, peak := p.buffered("g")
	t.Logf("most that queues held: %d MiB of %d", peak>>20, limit>>20)
	g.Expect(peak).To(BeNumerically("<=", limit))
	g.Expect(now).To(BeZero())
}

// resident is what the system says this process has in memory, and what of it is alive.
func resident() string {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if v, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			return fmt.Sprintf("%s, alive %d MiB", strings.TrimSpace(v), m.HeapAlloc>>20)
		}
	}
	return "unknown"
}
