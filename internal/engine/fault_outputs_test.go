package engine_test

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
)

func offsetOf(m *consumer.Message) string { return strconv.FormatInt(m.Offset, 10) }

// responds draws a responder on topic a that answers every record with what answer makes of it.
func responds(j *journal, answer func(*consumer.Message) string, draw ...func(*router.Route)) router.Drawer {
	return each("a", answerer(j, answer), draw...)
}

func answerer(j *journal, answer func(*consumer.Message) string) consumer.Handler {
	return responder.Decoded(consumer.BytesCodec, func(_ context.Context, w *responder.Writer, m *consumer.Typed[[]byte]) error {
		if err := answers.Send(w, m.Key, answer(m.Message)); err != nil {
			return err
		}
		j.note("m", m.Message)
		return nil
	}, answers.Required())
}

// patiently retries quickly, and for as long as a test takes.
func patiently(r *router.Route) {
	r.OnFailure(router.Retry(100_000, time.Millisecond, router.MaxBackoff(20*time.Millisecond)), router.Block)
}

// answered counts the answers by what they say.
func (c *cluster) answered() map[string]int {
	c.t.Helper()
	times := map[string]int{}
	for _, r := range c.records("answers") {
		times[string(r.Value)]++
	}
	return times
}

// expectAnswers expects an answer to each of n records, so often.
func (c *cluster) expectAnswers(n, times int) {
	c.t.Helper()
	want := map[string]int{}
	for i := range n {
		want[strconv.Itoa(i)] = times
	}
	c.g.Expect(c.answered()).To(Equal(want))
}

func awaitCommitted(t *testing.T, p *process, topic string, offset int64) {
	t.Helper()
	await(t, p.events, 1, func(e callbacks.Committed) bool { return e.Topic == topic && e.Offset == offset })
}

// A reason for which no waiting helps is told at once, and not at the end of the delivery timeout.
func TestF73_TopicThatTakesNoOutputsHoldsTheOffset(t *testing.T) {
	t.Parallel()
	for name, taken := range map[string]func(t *testing.T) (c *cluster, as option, take, giveBack func(), why []error){
		"deleted": func(t *testing.T) (*cluster, option, func(), func(), []error) {
			t.Helper()
			c := newCluster(t)
			c.topic("a", 1)
			c.topic("answers", 1)
			return c, func(*setup) {}, func() {
				c.g.Expect(c.admin.DeleteTopic(t.Context(), "answers")).Error().NotTo(HaveOccurred())
			}, func() { c.topic("answers", 1) }, []error{kerr.UnknownTopicOrPartition, kerr.UnknownTopicID}
		},
		"denied": func(t *testing.T) (*cluster, option, func(), func(), []error) {
			t.Helper()
			c, asAda, admin := secured(t)
			c.topic("answers", 1)
			acls := func() *kadm.ACLBuilder {
				return kadm.NewACLs().Topics("answers").ResourcePatternType(kadm.ACLPatternLiteral).Operations(kadm.OpWrite, kadm.OpDescribe)
			}
			c.g.Expect(admin.CreateACLs(t.Context(), acls().Allow("User:ada").AllowHosts("*"))).Error().NotTo(HaveOccurred())
			deny := acls().Operations(kadm.OpWrite).Deny("User:ada").DenyHosts("*")
			return c, asAda, func() {
					c.g.Expect(admin.CreateACLs(t.Context(), deny)).Error().NotTo(HaveOccurred())
				}, func() {
					c.g.Expect(admin.DeleteACLs(t.Context(), deny)).Error().NotTo(HaveOccurred())
				}, []error{kerr.TopicAuthorizationFailed}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inEveryOrder(t, func(t *testing.T, o ordering) {
				t.Helper()
				c, as, take, giveBack, why := taken(t)
				p := c.run(t, responds(newJournal(), offsetOf, append(o.draw, patiently)...), as,
					withConfig(func(cfg *config.Config) { cfg.Producer.DeliveryTimeout = time.Hour }))
				c.keyed("a", 0, whole, 10)
				awaitCommitted(t, p, "a", whole)
				g := NewWithT(t)
				c.expectAnswers(whole, 1)
				take()
				c.keyed("a", 0, whole, 10)
				typed := []types.GomegaMatcher{}
				for _, err := range why {
					typed = append(typed, MatchError(err))
				}
				for _, e := range await[callbacks.ProduceFailed](t, p.events, 3) {
					g.Expect(e.Err).To(SatisfyAny(typed...))
					g.Expect(e.Output).To(Equal("answers"))
				}
				for _, e := range await[callbacks.Failed](t, p.events, 3) {
					g.Expect(e.Err).To(SatisfyAny(typed...))
				}
				g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(whole), "nothing is committed before it is acknowledged")
				giveBack()
				awaitCommitted(t, p, "a", 2*whole)
				p.stop()
				times := c.answered()
				for at := whole; at < 2*whole; at++ {
					g.Expect(times).To(HaveKeyWithValue(strconv.Itoa(at), 1))
				}
			})
		})
	}
}

// A record whose output is refused for what it is goes its way through OnFailure, alone.
func TestF73_OutputThatIsRefusedFailsItsRecordAlone(t *testing.T) {
	t.Parallel()
	const n, bad = 18, 7 // the record without a key
	for name, refused := range map[string]struct {
		config map[string]*string
		answer string
		fault  func(c *cluster)
		why    *kerr.Error
	}{
		"too large": {
			config: map[string]*string{"max.message.bytes": new("5000")}, answer: strings.Repeat("bad", 2000), why: kerr.MessageTooLarge,
		},
		"invalid": { // Apache Kafka wants keys in compacted topics; the embedded broker does not mind
			config: map[string]*string{"cleanup.policy": new("compact")}, answer: "bad", why: kerr.InvalidRecord,
			fault: func(c *cluster) {
				if c.embedded == nil {
					return
				}
				c.Fault(kfake.Fault{
					Keys: []kmsg.Key{kmsg.Produce}, Topic: "answers", Err: kerr.InvalidRecord, Count: -1,
					When: func(req kmsg.Request) bool {
						for _, topic := range req.(*kmsg.ProduceRequest).Topics {
							for _, p := range topic.Partitions {
								if bytes.Contains(p.Records, []byte("bad")) && !bytes.Contains(p.Records, []byte(consumer.HeaderError)) {
									return true
								}
							}
						}
						return false
					},
				})
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inEveryOrder(t, func(t *testing.T, o ordering) {
				t.Helper()
				c := newCluster(t)
				c.topic("a", 1)
				c.topic("dlq", 1)
				c.g.Expect(c.admin.CreateTopic(t.Context(), 1, -1, refused.config, "answers")).Error().NotTo(HaveOccurred())
				if refused.fault != nil {
					refused.fault(c)
				}
				answer := func(m *consumer.Message) string {
					if m.Offset == bad {
						return refused.answer
					}
					return offsetOf(m)
				}
				c.keyed("a", 0, n, 10)
				p := c.run(t, responds(newJournal(), answer, append(o.draw, letters(router.DeadLetter("dlq")))...),
					withConfig(func(cfg *config.Config) {
						cfg.Producer.DeliveryTimeout = time.Hour
						cfg.Producer.Compression = config.NoCompression
					}))
				awaitCommitted(t, p, "a", n)
				p.stop()
				g := NewWithT(t)
				for _, e := range of[callbacks.Failed](p.events) {
					g.Expect(e.Err).To(MatchError(refused.why))
				}
				dead := c.records("dlq")
				g.Expect(dead).To(HaveLen(1))
				g.Expect(headerOf(dead[0], consumer.HeaderSourceOffset)).To(Equal(strconv.Itoa(bad)))
				g.Expect(headerOf(dead[0], consumer.HeaderAttempts)).To(Equal("3"))
				g.Expect(headerOf(dead[0], consumer.HeaderError)).To(ContainSubstring(refused.why.Message))
				g.Expect(c.answered()).To(HaveLen(n - 1))
			})
		})
	}
}

// An output may have the time of an old event. The delivery timeout counts from when it was sent.
func TestF74_AnOldTimeIsNoDelay(t *testing.T) {
	t.Parallel()
	for _, exactly := range []bool{false, true} {
		t.Run(fmt.Sprintf("exactly once %t", exactly), func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 1)
			c.topic("answers", 1)
			old := time.Now().Add(-1000 * time.Hour).Truncate(time.Millisecond)
			p := c.run(t, func(r *router.Router) {
				r.Group("g", func(g *router.Group) {
					if exactly {
						g.ExactlyOnce()
					}
					g.Topic("a").Each(responder.Decoded(consumer.BytesCodec, func(_ context.Context, w *responder.Writer, m *consumer.Typed[[]byte]) error {
						return answers.Send(w, m.Key, offsetOf(m.Message), responder.Timestamp(old))
					}, answers.Required()))
				})
			})
			c.produce("a", 0, 3)
			awaitCommitted(t, p, "a", 3)
			p.stop()
			g := NewWithT(t)
			g.Expect(of[callbacks.ProduceFailed](p.events)).To(BeEmpty())
			if exactly {
				return // that it is committed says that they are there
			}
			c.expectAnswers(3, 1)
			for _, r := range c.records("answers") {
				g.Expect(r.Timestamp).To(BeTemporally("==", old))
			}
		})
	}
}

func TestF74_RefusedForEverEndsAtTheDeliveryTimeout(t *testing.T) {
	t.Parallel()
	inEveryOrder(t, func(t *testing.T, o ordering) {
		t.Helper()
		c := newCluster(t)
		c.topic("a", 1)
		c.topic("answers", 1)
		fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "answers", Err: kerr.NotEnoughReplicas, Count: -1})
		refusedForEver(t, c, o, fault.Remove)
		c.expectAnswers(10*whole, 1)
	})
}

// refusedForEver expects that what is refused fails again and again, and that no more is handed over than may be buffered, until it is
// healed.
func refusedForEver(t *testing.T, c *cluster, o ordering, heal func()) {
	t.Helper()
	const n, buffered, lanes = 10 * whole, 20, 8
	c.keyed("a", 0, n, 10)
	j := newJournal()
	p := c.run(t, responds(j, offsetOf, append(o.draw, patiently)...), withConfig(func(cfg *config.Config) {
		cfg.Producer.DeliveryTimeout, cfg.Producer.MaxBufferedRecords = time.Second, buffered
	}))
	g := NewWithT(t)
	for _, e := range await[callbacks.ProduceFailed](t, p.events, 3) {
		g.Expect(e.Err).To(MatchError(kgo.ErrRecordTimeout))
	}
	for _, e := range await[callbacks.Failed](t, p.events, 3) {
		g.Expect(e.Err).To(MatchError(kgo.ErrRecordTimeout))
	}
	g.Expect(j.unique()).To(BeNumerically("<=", buffered+lanes), "what is buffered, and what waits for room")
	g.Expect(c.committed("g", "a", 0)).To(BeNumerically("<=", 0))
	heal()
	awaitCommitted(t, p, "a", n)
	p.stop()
}

func TestF75_OutputAppliedAndAnsweredWithAnErrorIsThereOnce(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]*kerr.Error{
		"not enough replicas after append": kerr.NotEnoughReplicasAfterAppend, "timed out": kerr.RequestTimedOut,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inEveryOrder(t, func(t *testing.T, o ordering) {
				t.Helper()
				c := newCluster(t)
				c.topic("a", 1)
				c.topic("answers", 1)
				fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "answers", Err: code, Count: 5})
				c.keyed("a", 0, whole, 10)
				p := c.run(t, responds(newJournal(), offsetOf, o.draw...))
				awaitCommitted(t, p, "a", whole)
				p.stop()
				g := NewWithT(t)
				g.Expect(fault.Hits()).To(Equal(5))
				g.Expect(of[callbacks.ProduceFailed](p.events)).To(BeEmpty())
				c.expectAnswers(whole, 1)
			})
		})
	}
}

func TestF69_OutputsAreRepeatedOnlyWhereTheCommitWasNot(t *testing.T) {
	t.Parallel()
	inEveryOrder(t, func(t *testing.T, o ordering) {
		t.Helper()
		c := newCluster(t)
		c.topic("a", 1)
		c.topic("answers", 1)
		draw := responds(newJournal(), offsetOf, o.draw...)
		never := withConfig(func(cfg *config.Config) { cfg.Commit.Interval = time.Hour })
		acked := func(p *process) {
			await(t, p.events, 1, func(callbacks.Produced) bool {
				n := 0
				for _, e := range of[callbacks.Produced](p.events) {
					n += e.Count
				}
				return n == whole
			})
		}
		c.keyed("a", 0, whole, 10)
		p := c.run(t, draw, never)
		acked(p)
		p.stop()
		c.expectAnswers(whole, 1)

		c.keyed("a", 0, whole, 10)
		p = c.run(t, draw, never)
		acked(p)
		fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.UnknownMemberID, Count: -1})
		p.kill()
		fault.Remove()
		p = c.run(t, draw, never)
		acked(p)
		p.stop()
		g := NewWithT(t)
		times := c.answered()
		for at := range 2 * whole {
			g.Expect(times).To(HaveKeyWithValue(strconv.Itoa(at), 1+at/whole))
		}
		g.Expect(times).To(HaveLen(2 * whole))
		g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(2 * whole))
	})
}
