package protobuf_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/karafgo/karafgo/protobuf"
)

func TestMessagesComeBack(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	data, err := protobuf.Codec.Encode(&durationpb.Duration{Seconds: 150})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(data).To(Equal([]byte{0x08, 0x96, 0x01})) // field 1, varint 150, as in Protobuf's own description of its encoding
	var pointer *durationpb.Duration
	g.Expect(protobuf.Codec.Decode(data, &pointer)).To(Succeed())
	g.Expect(pointer.GetSeconds()).To(Equal(int64(150)))
	message := &durationpb.Duration{Nanos: 7}
	g.Expect(protobuf.Codec.Decode(data, message)).To(Succeed())
	g.Expect(message.GetSeconds()).To(Equal(int64(150)))
	g.Expect(message.GetNanos()).To(BeZero(), "what was there before is gone")
}

// A record whose value is nil is a tombstone, and a message without fields is none.
func TestAnEmptyMessageIsNoTombstone(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	data, err := protobuf.Codec.Encode(&durationpb.Duration{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(data).NotTo(BeNil())
	g.Expect(data).To(BeEmpty())
	var pointer *durationpb.Duration
	g.Expect(protobuf.Codec.Decode(data, &pointer)).To(Succeed())
	g.Expect(pointer).NotTo(BeNil())
	_, err = protobuf.Codec.Encode((*durationpb.Duration)(nil))
	g.Expect(err).To(MatchError(ContainSubstring("got a nil pointer")))
}

func TestWhatIsNoMessageIsRefused(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	g.Expect(protobuf.Codec.Name()).To(Equal("protobuf"))
	_, err := protobuf.Codec.Encode("text")
	g.Expect(err).To(MatchError("protobuf codec wants a proto.Message, got string"))
	for _, v := range []any{nil, "text", new(string), new(*string), (**durationpb.Duration)(nil), durationpb.Duration{}} {
		g.Expect(protobuf.Codec.Decode(nil, v)).To(MatchError(HavePrefix("protobuf codec wants a pointer to a proto.Message, got ")))
	}
	var kept *durationpb.Duration
	g.Expect(protobuf.Codec.Decode([]byte{0x08}, &kept)).NotTo(Succeed())
	g.Expect(kept).To(BeNil())
}
