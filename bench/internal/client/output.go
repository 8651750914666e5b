package client

import (
	"io"
	"os"
	"sync"

	"github.com/karafgo/karafgo/bench/internal/work"
)

// listen ends the job when the driver says that all outputs are there.
func (r *Run) listen() {
	_, _ = io.Copy(io.Discard, os.Stdin) // until it ends, however
	r.finish()
}

// Transform is the work of clients that consume, transform and produce: it returns what is to be written.
func (r *Run) Transform(topic string, partition int32, offset int64, value []byte) []byte {
	_ = r.Handle(topic, partition, offset, value) // cannot fail: it looks at the record
	out := make([]byte, len(value))
	copy(out, value)
	out[len(out)-1] = work.Changed
	return out
}

// Outputs makes the records that a client writes that only produces: one of each source in turn, with 10,000 keys.
func (r *Run) Outputs(write func(key, value []byte) error) error {
	keys := work.Keys()
	for n := range r.Ends[0] {
		for source := range r.Ends {
			value := make([]byte, r.Size)
			work.Number(value, source, n)
			value[len(value)-1] = work.Changed
			if err := write(keys[(int(n)*len(r.Ends)+source)%len(keys)], value); err != nil {
				return err
			}
		}
	}
	return nil
}

// Tracker knows up to where the outputs of a partition's records are acknowledged. Acknowledgements come in any order where the outputs
// go to several partitions, and only what has none open before it may be committed.
type Tracker struct {
	mu    sync.Mutex
	first uint64 // number of open[0]
	open  []output
	next  int64 // the offset to commit, 0 for none
	fresh bool  // and it was not taken
	epoch int32
	idle  chan struct{}
}

type output struct {
	offset int64
	epoch  int32
	acked  bool
}

// Sent notes that the output of a record is about to be sent, and returns its number. Records come in their order.
func (t *Tracker) Sent(offset int64, epoch int32) (number uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open = append(t.open, output{offset: offset, epoch: epoch})
	return t.first + uint64(len(t.open)-1)
}

// Acked notes that the broker has it.
func (t *Tracker) Acked(number uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open[number-t.first].acked = true
	n := 0
	for n < len(t.open) && t.open[n].acked {
		n++
	}
	if n == 0 {
		return
	}
	t.next, t.epoch, t.fresh = t.open[n-1].offset+1, t.open[n-1].epoch, true
	t.open, t.first = t.open[n:], t.first+uint64(n)
	if len(t.open) == 0 && t.idle != nil {
		close(t.idle)
		t.idle = nil
	}
}

// Next is the offset to commit, if it is another one than before.
func (t *Tracker) Next() (offset int64, epoch int32, fresh bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fresh, t.fresh = t.fresh, false
	return t.next, t.epoch, fresh
}

// Idle returns what is closed when everything that was sent is acknowledged.
func (t *Tracker) Idle() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.idle == nil {
		t.idle = make(chan struct{})
	}
	idle := t.idle
	if len(t.open) == 0 {
		close(idle)
		t.idle = nil
	}
	return idle
}
