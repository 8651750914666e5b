package kafka

import (
	"context"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/config"
)

// No broker answers, so that all stays in the buffer.
func TestRoomIsWhatManySendersMayUseAtOnce(t *testing.T) {
	t.Parallel()
	const n = 4 * senders
	for name, c := range map[string]struct {
		limit func(*config.Config)
		rooms map[int]int // by how many are sent
	}{
		"records": {
			func(cfg *config.Config) {
				cfg.Producer.MaxBufferedRecords, cfg.Producer.MaxBufferedBytes = n, 2*n*small
			},
			map[int]int{0: 4, 1: 3, n / 2: 2, n - senders: 1, n - senders + 1: 0, n: 0},
		},
		"bytes": {
			func(cfg *config.Config) {
				cfg.Producer.MaxBufferedRecords, cfg.Producer.MaxBufferedBytes = 2*n, n*small
			},
			map[int]int{0: 4, 1: 3, n / 2: 2, n: 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			cfg := config.Default()
			cfg.Kafka.Brokers = []string{"127.0.0.1:1"}
			c.limit(&cfg)
			p, err := New(cfg, nil).producer()
			g.Expect(err).NotTo(HaveOccurred())
			defer p.Close()
			for sent := range n + 1 {
				if room, ok := c.rooms[sent]; ok {
					g.Expect(p.Room()).To(Equal(room), "with %d buffered", sent)
				}
				if sent < n {
					p.Produce(context.WithoutCancel(t.Context()), Source{}, &kgo.Record{Topic: "a", Value: make([]byte, small)}, nil)
				}
			}
		})
	}
}
