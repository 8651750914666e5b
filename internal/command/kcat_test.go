package command_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/lines"
)

// kcatRecord is a record as kcat -J prints it. Of contents that are no text it prints what cannot be told from others.
type kcatRecord struct {
	Partition int32     `json:"partition"`
	Offset    int64     `json:"offset"`
	TS        int64     `json:"ts"`
	Headers   []*string `json:"headers"`
	Key       *string   `json:"key"`
	Payload   *string   `json:"payload"`
}

// record is the same as karafgo has it.
func (r kcatRecord) record(topic string) *kgo.Record {
	content := func(s *string) []byte {
		if s == nil {
			return nil
		}
		return []byte(*s)
	}
	out := &kgo.Record{
		Topic: topic, Partition: r.Partition, Offset: r.Offset, Timestamp: time.UnixMilli(r.TS).UTC(), Key: content(r.Key), Value: content(r.Payload),
	}
	for i := 0; i+1 < len(r.Headers); i += 2 {
		out.Headers = append(out.Headers, kgo.RecordHeader{Key: *r.Headers[i], Value: content(r.Headers[i+1])})
	}
	return out
}

var _ = Describe("kcat and karafgo agree", func() {
	kcat := func(ctx SpecContext, stdin string, args ...string) string {
		GinkgoHelper()
		cmd := exec.CommandContext(ctx, "kcat", args...)
		cmd.Stdin = strings.NewReader(stdin)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		Expect(err).NotTo(HaveOccurred(), stderr.String())
		return string(out)
	}
	// tailed reads a topic with tail, by partition and offset.
	tailed := func(l consoleLine, topic string) (all []*kgo.Record) {
		GinkgoHelper()
		in := lines.NewReader("tail", strings.NewReader(l.good("tail", topic, "--from", "earliest", "-o", "json")))
		for r, err := in.Read(); err == nil; r, err = in.Read() {
			all = append(all, r)
		}
		slices.SortFunc(all, func(a, b *kgo.Record) int {
			return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
		})
		return all
	}
	seen := func(ctx SpecContext, c *cluster, topic string) (all []*kgo.Record) {
		GinkgoHelper()
		dec := json.NewDecoder(strings.NewReader(kcat(ctx, "", "-C", "-J", "-e", "-q", "-b", c.addrs[0], "-t", topic, "-o", "beginning")))
		for dec.More() {
			var r kcatRecord
			Expect(dec.Decode(&r)).To(Succeed())
			all = append(all, r.record(topic))
		}
		slices.SortFunc(all, func(a, b *kgo.Record) int {
			return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
		})
		return all
	}

	BeforeEach(func() {
		if _, err := exec.LookPath("kcat"); err != nil {
			Skip("kcat is not installed: apt-get install kcat")
		}
	})

	It("on what karafgo produces: keys, values, headers that come twice, tombstones, times", func(ctx SpecContext) {
		c := newCluster(map[string]int32{"t": 3})
		l := c.console()
		l.in = `{"partition":0,"key":"a","value":"text","headers":[{"key":"h","value":"1"},{"key":"h","value":"2"},{"key":"e","value":""}]}
{"partition":0,"key":"a","value":null}
{"partition":1,"value":{"id": 1}}
{"partition":1,"timestamp":"2026-11-21T06:30:00.005Z","key":"with \"quotes\" and\nlines","value":"\u001b[31m é 😀"}
{"partition":2,"key":"n","value":"v","headers":[{"key":"null","value":null}]}
`
		Expect(l.good("produce", "t")).To(ContainSubstring("5 records"))
		ours, theirs := tailed(l, "t"), seen(ctx, c, "t")
		Expect(ours).To(HaveLen(5))
		Expect(theirs).To(Equal(ours))
	}, NodeTimeout(patience))

	It("on what kcat produces, and which partition a key belongs to", func(ctx SpecContext) {
		c := newCluster(map[string]int32{"t": 5, "ours": 5})
		l := c.console()
		var in, own strings.Builder
		for _, key := range []string{"a", "b", "order-17", "ünïcödé", "x y z", "0"} {
			in.WriteString(key + "|value of " + key + "\n")
			text, err := json.Marshal(map[string]string{"key": key, "value": "value of " + key})
			Expect(err).NotTo(HaveOccurred())
			own.Write(append(text, '\n'))
		}
		kcat(ctx, in.String(), "-P", "-b", c.addrs[0], "-t", "t", "-K|", "-H", "h=1", "-H", "h=2", "-X", "topic.partitioner=murmur2_random")
		kcat(ctx, "gone|\n", "-P", "-Z", "-b", c.addrs[0], "-t", "t", "-K|", "-X", "topic.partitioner=murmur2_random")
		ours, theirs := tailed(l, "t"), seen(ctx, c, "t")
		Expect(ours).To(HaveLen(7))
		Expect(theirs).To(Equal(ours))
		Expect(ours).To(ContainElement(And(HaveField("Key", BeEquivalentTo("gone")), HaveField("Value", BeNil()))))
		l.in = own.String()
		Expect(l.good("produce", "ours")).To(ContainSubstring("6 records"))
		partitions := func(records []*kgo.Record) map[string]int32 {
			by := map[string]int32{}
			for _, r := range records {
				by[string(r.Key)] = r.Partition
			}
			delete(by, "gone")
			return by
		}
		Expect(partitions(tailed(l, "ours"))).To(Equal(partitions(ours)))
	}, NodeTimeout(patience))
})
