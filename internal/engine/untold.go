package engine

import (
	"math/bits"
	"slices"
	"time"

	"github.com/karafgo/karafgo/callbacks"
)

// Where handlers run side by side and take long, every record is a run of its own, and telling of each would be a third of what karafgo
// costs there. So what is handled is told of together, at most a tick later: when a lane has nothing more to do, fails or ends a partition,
// and whenever anybody asks what is done, as a commit does and the status. It is told with the lock held, so that nobody is told of
// something that follows from it before.

// untold is what is handled of one assignment and not told of yet: records that took about as long.
type untold struct {
	class int
	event callbacks.Handled
}

// durationClass puts durations together that are in one bucket of the histogram of durations, where their mean is then, too.
func durationClass(d time.Duration) int {
	const least = 500 * time.Microsecond
	return bits.Len64(uint64(max(d, 0) / least))
}

// handled keeps for later that a record was handled.
func (k *keys) handled(c *claim, elapsed time.Duration) {
	if len(k.untold) == 0 {
		k.p.untold = append(k.p.untold, k)
	}
	class, at := durationClass(elapsed), 0
	for at < len(k.untold) && k.untold[at].class != class {
		at++
	}
	if at == len(k.untold) {
		k.untold = append(k.untold, untold{class, callbacks.Handled{
			Where: k.a.where(), First: c.rec.Offset, Last: c.rec.Offset, Offsets: make([]int64, 0, mostTogether),
		}})
	}
	e := &k.untold[at].event
	e.First, e.Last = min(e.First, c.rec.Offset), max(e.Last, c.rec.Offset)
	e.Offsets = append(e.Offsets, c.rec.Offset)
	e.Count++
	e.Elapsed += elapsed
	if c.skipped {
		e.Skipped++
	}
}

// mostTogether is for how many records there is room at first.
const mostTogether = 32

// tellHandled tells of what was kept.
func (p *pool) tellHandled() {
	for _, k := range p.untold {
		for i := range k.untold {
			e := k.untold[i].event
			slices.Sort(e.Offsets)
			if e.Last-e.First+1 == int64(e.Count) {
				e.Offsets = nil
			}
			p.e.emit(e)
		}
		clear(k.untold)
		k.untold = k.untold[:0]
	}
	clear(p.untold)
	p.untold = p.untold[:0]
}
