package testkit_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/responder"
	"github.com/karafgo/karafgo/router"
	"github.com/karafgo/karafgo/testkit"
)

// slowly takes a minute for records whose key says so.
func slowly(n int) router.Drawer {
	return func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("a").Each(consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
				if strings.HasPrefix(string(m.Key), "slow") {
					time.Sleep(time.Minute) // virtual
				}
				return nil
			})).Concurrency(n, router.ByKey)
		})
	}
}

func TestByKeyWhatIsHandledIsKnownWhileTheNextRecordWaits(t *testing.T) {
	k := testkit.New(t, slowly(1))
	ds := k.DeliverAll("a", testkit.Text("1").Key("quick"), testkit.Text("2").Key("slow"))
	testkit.Check(t, ds[0], testkit.HaveHandled(1), testkit.HaveMarked())
	testkit.Check(t, ds[1], testkit.HaveHandled(0))
	k.Settle()
	testkit.Check(t, ds[1], testkit.HaveHandled(1), testkit.HaveCommitted())
}

func TestByKeyStuckHandlersOfAPartitionDelayNoOther(t *testing.T) {
	k := testkit.New(t, slowly(100), testkit.Partitions("a", 2))
	for i := range runtime.GOMAXPROCS(0) {
		k.Deliver("a", testkit.Text("x").Key("slow"+string(rune('a'+i))).On(0))
	}
	k.Advance(10 * time.Millisecond)
	d := k.Deliver("a", testkit.Text("y").Key("quick").On(1))
	k.Advance(10 * time.Millisecond)
	testkit.Check(t, d, testkit.HaveHandled(1))
	k.Settle()
}

func TestByKeyARefusedOutputTookAsLongAsItsOwnHandler(t *testing.T) {
	g := NewWithT(t)
	out := responder.NewTopic[[]byte]("out", consumer.BytesCodec)
	k := testkit.New(t, func(r *router.Router) {
		r.Group("g", func(g *router.Group) {
			g.Topic("a").Each(responder.Decoded(consumer.BytesCodec, func(_ context.Context, w *responder.Writer, m *consumer.Typed[[]byte]) error {
				if string(m.Key) == "bad" {
					time.Sleep(5 * time.Second) // virtual
					return errBusy
				}
				return out.Send(w, m.Key, m.Payload)
			}, out.Optional())).Concurrency(1, router.ByKey).OnFailure(router.Retry(1, 20*time.Second), router.Skip)
		})
	})
	k.FailOutputs("out", 1, errors.New("refused"))
	k.DeliverAll("a", testkit.Text("1").Key("bad"), testkit.Text("2").Key("good"))
	k.Advance(10 * time.Second)
	failed := testkit.Events[callbacks.Failed](k)
	g.Expect(failed).To(HaveLen(2))
	g.Expect(failed[0].Elapsed).To(BeNumerically("~", 5*time.Second, time.Millisecond))
	g.Expect(failed[1].Elapsed).To(BeNumerically("<", time.Second))
	k.Settle()
}
