package engine_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/config"
)

// A group that has forgotten a member gives it another id. What it had under the old one may have been somebody else's since: it is given
// up without a commit, and begins anew where the broker says.
func TestF48_MemberThatTheGroupHasForgottenGivesUpWhatItHad(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	const parts, n = 2, 10
	c.topic("a", parts)
	for id := range int32(parts) {
		c.produce("a", id, n)
	}
	j := newJournal()
	p := c.run(t, each("a", j.handler("m")), withConfig(func(cfg *config.Config) { cfg.Commit.Interval = 100 * time.Millisecond }))
	j.awaitRecords(t, parts*n)
	g := NewWithT(t)
	for id := range int32(parts) {
		g.Eventually(func() int64 { return c.committed("g", "a", id) }, patience).Should(BeEquivalentTo(n))
	}
	forget := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, TopLevel: true, Err: kerr.UnknownMemberID, Count: 1})
	defer forget.Remove()
	rebalance := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.RebalanceInProgress, Count: 1})
	defer rebalance.Remove()
	lost := await(t, p.events, parts, func(e callbacks.Revoked) bool { return e.Lost })
	g.Expect(lost).To(HaveLen(parts))
	await(t, p.events, parts, func(e callbacks.Positioned) bool { return e.Offset == n && e.Committed })
	for id := range int32(parts) {
		c.produce("a", id, 1)
	}
	j.awaitRecords(t, parts*(n+1))
	p.stop()
	for id := range int32(parts) {
		g.Expect(j.offsets("a", id)).To(Equal(sequence(n+1)), "nothing twice: it had committed")
		g.Expect(c.committed("g", "a", id)).To(BeEquivalentTo(n + 1))
	}
}
