package engine

import (
	"math/rand/v2"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/internal/kafka"
)

const aMark = kafka.CommitVersion + ";topic=000102030405060708090a0b0c0d0e0f"

func TestMetadataComesBackAsItWas(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	for _, done := range []spans{{{12, 13}}, {{11, 5000}}, {{11, 12}, {14, 20}, {1 << 30, 1<<30 + 7}}} {
		text := withDone(aMark, position{10, 3}, done)
		g.Expect(doneIn(text, position{10, 3})).To(Equal(done))
		id, ok := topicID(text)
		g.Expect(ok).To(BeTrue())
		g.Expect(id[15]).To(BeEquivalentTo(15))
		for _, other := range []position{{11, 3}, {10, 4}, {9, 3}} {
			_, err := doneIn(text, other)
			g.Expect(err).To(HaveOccurred(), "of another offset it says nothing")
		}
	}
	g.Expect(withDone(aMark, position{10, 3}, nil)).To(Equal(aMark))
	g.Expect(doneIn(aMark, position{10, 3})).To(BeEmpty())
}

func TestMetadataThatDoesNotFitLosesItsEnd(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	var done spans
	at := int64(0)
	for range 5000 {
		at += 1 + rand.Int64N(300)
		next := at + 1 + rand.Int64N(300)
		done = append(done, span{at, next})
		at = next
	}
	text := withDone(aMark, position{0, 1}, done)
	g.Expect(len(text)).To(BeNumerically("<=", metadataLimit))
	got, err := doneIn(text, position{0, 1})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(got)).To(BeNumerically(">", 600))
	g.Expect(got).To(Equal(done[:len(got)]))
}

func FuzzMetadata(f *testing.F) {
	f.Add(withDone(aMark, position{10, 3}, spans{{12, 13}, {20, 90}}), int64(10), int32(3))
	f.Add("consumer-1", int64(0), int32(0))
	f.Add(kafka.CommitVersion+";base=1;epoch=1;done=____________", int64(1), int32(1))
	f.Add(kafka.CommitVersion+";done="+strings.Repeat("A", 100), int64(1), int32(1))
	f.Fuzz(func(t *testing.T, text string, offset int64, epoch int32) {
		topicID(text)
		offset &= 1<<40 - 1
		done, err := doneIn(text, position{offset, epoch})
		if err != nil && done != nil {
			t.Fatal("done although it cannot be read")
		}
		last := offset
		for _, s := range done {
			if s.from < last || s.to <= s.from {
				t.Fatalf("%v is not apart, above %d and ascending", done, offset)
			}
			last = s.to
		}
	})
}
