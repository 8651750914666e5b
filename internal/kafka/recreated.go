package kafka

import (
	"errors"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// recreated lets a client that produces go on with a topic that was deleted and made again: by itself the client holds on to the id of the
// old one (KIP-516), and refuses every record for as long as it lives.
type recreated struct {
	mu      sync.Mutex
	cl      *kgo.Client
	purging map[string]bool
}

var (
	_ kgo.HookNewClient               = (*recreated)(nil)
	_ kgo.HookProduceRecordUnbuffered = (*recreated)(nil)
)

// OnNewClient implements kgo.HookNewClient.
func (h *recreated) OnNewClient(cl *kgo.Client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cl = cl
}

// OnProduceRecordUnbuffered implements kgo.HookProduceRecordUnbuffered. To forget a topic waits for the client, which must not wait for
// this: so it is done by a goroutine, one for a topic, which ends when the client has done it or is closed.
func (h *recreated) OnProduceRecordUnbuffered(r *kgo.Record, err error) {
	if err == nil || !errors.Is(err, kerr.UnknownTopicID) {
		return
	}
	topic := r.Topic
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.purging[topic] {
		return
	}
	if h.purging == nil {
		h.purging = map[string]bool{}
	}
	h.purging[topic] = true
	cl := h.cl
	go func() {
		cl.PurgeTopicsFromProducing(topic)
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.purging, topic)
	}()
}
