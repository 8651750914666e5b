package engine

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/offsets"
)

// model is a tracker that is too simple to be wrong.
type model struct {
	offs []int64
	done map[int64]bool
	next int64
}

func (m *model) watermark() int64 {
	for _, o := range m.offs {
		if o < m.next {
			continue
		}
		if !m.done[o] {
			break
		}
		m.next = o + 1
	}
	return m.next
}

func TestTrackerSealRefusesMarks(t *testing.T) {
	g := NewWithT(t)
	tr := newTracker(position{offset: 10, epoch: 1})
	for o := int64(10); o < 14; o++ {
		tr.add(o, 2)
	}
	g.Expect(tr.mark(10, false)).To(Succeed())
	g.Expect(tr.seal()).To(Equal(position{offset: 11, epoch: 2}))
	g.Expect(tr.mark(11, false)).To(MatchError(offsets.ErrRevoked))
	g.Expect(tr.watermark().offset).To(BeEquivalentTo(11))
}

// FuzzTracker runs a program of bytes against the tracker and the model: the watermark never passes a record that is not done, and never
// moves back.
func FuzzTracker(f *testing.F) {
	f.Add([]byte{0, 3, 1, 0, 2, 2, 5, 1, 3, 7})
	f.Add([]byte{0, 255, 2, 200, 4, 0, 2, 255, 5, 3, 1, 9})
	f.Fuzz(func(t *testing.T, program []byte) {
		tr := newTracker(position{})
		m := &model{done: map[int64]bool{}}
		var next, last int64
		frozen := false
		for i := 0; i+1 < len(program); i += 2 {
			arg := int64(program[i+1])
			switch program[i] % 6 {
			case 0: // receive, with gaps
				for n := range arg % 80 {
					next += 1 + n%3
					tr.mu.Lock()
					tr.add(next, 0)
					tr.mu.Unlock()
					m.offs = append(m.offs, next)
				}
			case 1, 2: // mark one, or through one
				at := int64(0)
				if len(m.offs) > 0 {
					at = m.offs[int(arg)%len(m.offs)]
				}
				through := program[i]%6 == 2
				if err := tr.mark(at, through); err != nil {
					t.Fatal(err)
				}
				for _, o := range m.offs {
					if o == at || through && o < at {
						m.done[o] = true
					}
				}
			case 3:
				tr.freeze()
				frozen = true
			case 4, 5: // thaw, taking marks back
				back := int64(-1)
				if frozen && program[i]%6 == 5 {
					back = last + arg
					for o := range m.done {
						if o >= back {
							delete(m.done, o)
						}
					}
				}
				tr.thaw(back)
				frozen = false
			}
			got := tr.watermark().offset
			if got < last {
				t.Fatalf("watermark moved back from %d to %d", last, got)
			}
			last = got
			if !frozen {
				if want := m.watermark(); got != want {
					t.Fatalf("watermark is %d, want %d", got, want)
				}
			}
		}
	})
}
