package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/offsets"
	"github.com/karafgo/karafgo/router"
)

// The rows of the fault list, for routes with ExternalOffsets: whatever happens, each record takes effect once.

func TestF02_ExternalOffsetsOverJoinsAndLeaves(t *testing.T) {
	t.Parallel()
	onDatabases(t, func(t *testing.T, d database) {
		t.Helper()
		const parts, n = 4, 150
		c := newCluster(t)
		c.topic("a", parts)
		e := d.use(t)
		for p := range int32(parts) {
			c.produce("a", p, n)
		}
		first := c.run(t, each("a", noting("first"), external(e)))
		e.await(t, n/2)
		second := c.run(t, each("a", noting("second"), external(e)))
		await[callbacks.Revoked](t, first.events, 1)
		for p := range int32(parts) {
			c.produce("a", p, n)
		}
		e.await(t, parts*n)
		first.kill()
		third := c.run(t, each("a", noting("third"), external(e)))
		await[callbacks.Assigned](t, third.events, 1)
		for p := range int32(parts) {
			c.produce("a", p, n)
		}
		e.await(t, 3*parts*n)
		second.stop()
		third.stop()
		for p := range int32(parts) {
			c.g.Expect(e.of("a", p)).To(Equal(sequence(3*n)), "partition %d", p)
			c.g.Expect(e.position("a", p)).To(BeEquivalentTo(3 * n))
			c.g.Expect(c.committed("g", "a", p)).To(BeEquivalentTo(3*n), "Kafka is told")
		}
	})
}

func TestF02_ExternalOffsetsOfBatchesOverJoinsAndLeaves(t *testing.T) {
	t.Parallel()
	onDatabases(t, func(t *testing.T, d database) {
		t.Helper()
		const parts, n = 3, 1000
		c := newCluster(t)
		c.topic("a", parts)
		e := d.use(t)
		for p := range int32(parts) {
			c.produce("a", p, n)
		}
		var calls atomic.Int64
		batches := func(r *router.Router) {
			r.Group("g", func(g *router.Group) {
				g.Topic("a").Batch(consumer.BatchHandlerFunc(func(ctx context.Context, b *consumer.Batch) error {
					call := calls.Add(1)
					for i, m := range b.All() {
						if err := note(ctx, "m", m); err != nil {
							return err
						}
						switch {
						case call%5 == 3 && i == b.Len()/2:
							return consumer.FailedAt(m, errPoison)
						case call%7 == 4 && i == b.Len()/2:
							return errPoison
						}
					}
					return nil
				}), 20, time.Millisecond).ExternalOffsets(e)
			})
		}
		c.run(t, batches)
		for joins := range 3 {
			e.await(t, n*(joins+1)/2)
			c.run(t, batches)
		}
		e.await(t, parts*n)
		for p := range int32(parts) {
			c.g.Expect(e.of("a", p)).To(Equal(sequence(n)), "partition %d", p)
		}
	})
}

// F05: the handler returns long after its partition was given to another member.
func TestF05_ExternalOffsetsRefuseAResultThatComesLate(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	e := postgres(t).use(t) // a unit of SQLite locks the whole file
	c.produce("a", 0, 10)
	stuck := newGate()
	quick := withConfig(func(cfg *config.Config) { cfg.Group.Drain = 100 * time.Millisecond })
	first := c.run(t, each("a", consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
		if err := note(ctx, "first", m); err != nil {
			return err
		}
		if m.Offset == 3 {
			stuck.hold(m)
		}
		return nil
	}), external(e)), quick)
	<-stuck.entered
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.UnknownMemberID})
	await[callbacks.Revoked](t, first.events, 1)
	second := c.run(t, each("a", noting("second"), external(e)))
	first.kill()
	e.await(t, 10)
	stuck.release()
	await[callbacks.Stale](t, first.events, 1)
	c.g.Expect(e.of("a", 0)).To(Equal(sequence(10)))
	second.stop()
}

// F06: a lost partition cannot commit to Kafka. What its unit wrote is not stored either, and comes once from the next assignment.
func TestF06_ExternalOffsetsOfALostPartition(t *testing.T) {
	t.Parallel()
	onDatabases(t, func(t *testing.T, d database) {
		t.Helper()
		c := newCluster(t)
		c.topic("a", 1)
		e := d.use(t)
		c.produce("a", 0, 10)
		stuck := newGate()
		p := c.run(t, each("a", consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
			if err := note(ctx, "m", m); err != nil {
				return err
			}
			if m.Offset == 5 && m.Assigned().Epoch() == 1 {
				_ = stuck.wait(ctx, m) // and returns nil
			}
			return nil
		}), external(e)))
		<-stuck.entered
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.UnknownMemberID})
		c.g.Expect(await[callbacks.Revoked](t, p.events, 1)[0].Lost).To(BeTrue())
		e.await(t, 10)
		c.g.Expect(e.of("a", 0)).To(Equal(sequence(10)))
		c.g.Expect(await[callbacks.Positioned](t, p.events, 2)[1].Offset).To(BeEquivalentTo(5))
		p.stop()
		c.g.Expect(e.position("a", 0)).To(BeEquivalentTo(10))
	})
}

// F12: attempts begin anew with the next assignment, and those before have left nothing.
func TestF12_ExternalOffsetsCountAttemptsAnew(t *testing.T) {
	t.Parallel()
	onDatabases(t, func(t *testing.T, d database) {
		t.Helper()
		c := newCluster(t)
		c.topic("a", 1)
		e := d.use(t)
		c.produce("a", 0, 3)
		j := newJournal()
		fails := consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
			j.note("m", m)
			if err := note(ctx, "m", m); err != nil {
				return err
			}
			if m.Offset == 1 && m.Assigned().Epoch() == 1 {
				return errPoison
			}
			return nil
		})
		p := c.run(t, each("a", fails, external(e), func(r *router.Route) { r.OnFailure(router.Retry(1000, time.Millisecond), router.Skip) }))
		await(t, p.events, 3, func(e callbacks.Failed) bool { return e.First == 1 })
		c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.UnknownMemberID})
		await[callbacks.Assigned](t, p.events, 2)
		e.await(t, 3)
		c.g.Expect(e.of("a", 0)).To(Equal(sequence(3)))
		p.stop()
		last := tail(j.all(), 2)[0]
		c.g.Expect(last.offset).To(BeEquivalentTo(1))
		c.g.Expect(last.attempt).To(Equal(1))
	})
}

// F38: a store that does not answer is never taken for one that has nothing.
func TestF38_ExternalOffsetsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 2)
	e := sqlite(t).use(t)
	c.produce("a", 0, 10)
	c.produce("a", 1, 10)
	p := c.run(t, each("a", noting("m"), external(e)))
	e.await(t, 20)
	p.stop()
	c.produce("a", 0, 10)
	c.produce("a", 1, 10)
	flaky := &refusing{Store: e}
	flaky.claims.Store(5)
	p = c.run(t, each("a", noting("m"), external(flaky)))
	e.await(t, 40)
	c.g.Expect(e.of("a", 0)).To(Equal(sequence(20)))
	c.g.Expect(e.of("a", 1)).To(Equal(sequence(20)))
	c.g.Expect(of[callbacks.StoreFailed](p.events)).To(HaveLen(5))
}

// refusing is a store that refuses some claims.
type refusing struct {
	offsets.Store

	claims atomic.Int64
}

func (r *refusing) Claim(ctx context.Context, p offsets.Partition) (offsets.Claim, offsets.Position, error) {
	if r.claims.Add(-1) >= 0 {
		return nil, offsets.None(), errors.New("connection refused")
	}
	return r.Store.Claim(ctx, p)
}

// F40, F43: a stored offset that does not fit its log, and one of a topic that was deleted.
func TestF43_ExternalOffsetsOfATopicMadeAnew(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.topic("a", 1)
	e := sqlite(t).use(t)
	c.produce("a", 0, 10)
	p := c.run(t, each("a", noting("m"), external(e)))
	e.await(t, 10)
	p.stop()
	_, err := c.admin.DeleteTopics(t.Context(), "a")
	c.g.Expect(err).NotTo(HaveOccurred())
	c.topic("a", 1)
	c.renew()
	c.produce("a", 0, 5)
	p = c.run(t, each("a", noting("m"), external(e)))
	e.await(t, 15)
	p.stop()
	c.g.Expect(e.of("a", 0)).To(HaveLen(15))
	c.g.Expect(e.position("a", 0)).To(BeEquivalentTo(5))
}

// F44: Kafka's offset is never read.
func TestF44_ExternalOffsetsDoNotDependOnKafka(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]int64{"ahead": 18, "behind": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 1)
			e := sqlite(t).use(t)
			c.produce("a", 0, 10)
			p := c.run(t, each("a", noting("m"), external(e), func(r *router.Route) { r.StartAt(router.Earliest) }))
			e.await(t, 10)
			p.stop()
			c.produce("a", 0, 10)
			var wrong kadm.Offsets
			wrong.Add(kadm.Offset{Topic: "a", At: at, LeaderEpoch: -1})
			c.g.Expect(c.admin.CommitAllOffsets(t.Context(), "g", wrong)).To(Succeed())
			p = c.run(t, each("a", noting("m"), external(e)))
			e.await(t, 20)
			p.stop()
			c.g.Expect(e.of("a", 0)).To(Equal(sequence(20)))
			c.g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(20))
		})
	}
}

// F48: another owner claims the partition while this one does not know. What it had in hand is refused.
func TestF48_ExternalOffsetsOfAStaleOwnerAreRefused(t *testing.T) {
	t.Parallel()
	e := postgres(t).use(t) // a unit of SQLite locks the whole file, so that nobody can claim
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, 10)
	held := newGate()
	p := c.run(t, each("a", consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
		if err := note(ctx, "stale", m); err != nil {
			return err
		}
		if m.Offset == 3 {
			held.hold(m)
		}
		return nil
	}), external(e)))
	<-held.entered
	claim, at, err := e.Claim(t.Context(), offsets.Partition{Group: "g", Topic: "a"})
	c.g.Expect(err).NotTo(HaveOccurred())
	c.g.Expect(at.Offset).To(BeEquivalentTo(3))
	held.release()
	c.g.Expect(await[callbacks.Fenced](t, p.events, 1)[0].Offset).To(BeEquivalentTo(3))
	at.Offset = 4
	c.g.Expect(claim.Move(t.Context(), at)).To(Succeed())
	c.g.Eventually(func() []string { return p.paused("a", 0) }, patience).Should(ConsistOf(callbacks.PausedFenced))
	p.stop()
	c.g.Expect(e.of("a", 0)).To(Equal(sequence(3)))
	c.g.Expect(e.position("a", 0)).To(BeEquivalentTo(4))
	c.g.Expect(c.committed("g", "a", 0)).To(BeNumerically("<=", 3))
}

// liveExternal is the main function of a member process with ExternalOffsets. It crashes after some records: while one is handled, or
// when its commit is stored, and nobody knows of it yet.
func (l life) liveExternal() error {
	e, err := l.Database.open(context.Background())
	if err != nil {
		return err
	}
	n := 0
	table, err := router.Draw(each("a", consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
		if err := note(ctx, "killed", m); err != nil {
			return err
		}
		n++
		if n > l.After && l.Crash == "handler" {
			crash("SIGKILL")
		}
		if n == l.After && l.Crash == "freeze" {
			_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
			<-time.After(time.Second) // other threads run on for a moment; the unit must not be committing when they stop
		}
		return nil
	}), external(&dying{Store: e, when: func() bool { return n > l.After && l.Crash == "commit" }})))
	if err != nil {
		return err
	}
	return l.consume(table)
}

// dying is a store that ends the process when a unit is committed.
type dying struct {
	offsets.Store

	when func() bool
}

type dyingClaim struct {
	offsets.Claim

	when func() bool
}

type dyingUnit struct {
	offsets.Unit

	when func() bool
}

func (d *dying) Claim(ctx context.Context, p offsets.Partition) (offsets.Claim, offsets.Position, error) {
	claim, at, err := d.Store.Claim(ctx, p)
	return dyingClaim{claim, d.when}, at, err
}

func (d dyingClaim) Begin(ctx context.Context) (offsets.Unit, error) {
	unit, err := d.Claim.Begin(ctx)
	return dyingUnit{unit, d.when}, err
}

func (d dyingUnit) Commit(ctx context.Context, next offsets.Position) error {
	err := d.Unit.Commit(ctx, next)
	if d.when() {
		crash("SIGKILL")
	}
	return err
}

// member starts a member process.
func (l life) member(t *testing.T) (cmd *exec.Cmd, out *strings.Builder) {
	t.Helper()
	g := NewWithT(t)
	text, err := json.Marshal(l)
	g.Expect(err).NotTo(HaveOccurred())
	cmd, out = exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$"), &strings.Builder{}
	cmd.Env = append(os.Environ(), testMember+"="+string(text))
	cmd.Stdout, cmd.Stderr = out, out
	_, err = cmd.StdinPipe()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(cmd.Start()).To(Succeed())
	return cmd, out
}

func TestF82_ExternalOffsetsKilledOverAndOver(t *testing.T) {
	t.Parallel()
	onDatabases(t, func(t *testing.T, d database) {
		t.Helper()
		const records = 200
		c := newCluster(t)
		c.topic("a", 1)
		c.produce("a", 0, records)
		e := d.use(t)
		for i, how := range []string{"handler", "commit", "handler", "commit"} {
			l := life{Brokers: c.ListenAddrs(), Journal: t.TempDir() + "/journal", Crash: how, After: 20 + i, Database: d}
			cmd, out := l.member(t)
			c.g.Expect(cmd.Wait()).To(HaveOccurred(), out.String())
			done := e.of("a", 0)
			c.g.Expect(done).To(Equal(sequence(len(done))), "run %d", i)
			c.g.Expect(e.position("a", 0)).To(BeEquivalentTo(len(done)), "run %d", i)
		}
		c.g.Expect(e.count()).To(Equal(20 + 22 + 22 + 24))
		p := c.run(t, each("a", noting("last"), external(e)))
		e.await(t, records)
		p.stop()
		c.g.Expect(e.of("a", 0)).To(Equal(sequence(records)))
	})
}

// F48: frozen for longer than its session, the process goes on as if it still had the partition.
func TestF48_ExternalOffsetsOfAFrozenProcess(t *testing.T) {
	t.Parallel()
	d := postgres(t)
	const records = 100
	c := newCluster(t)
	c.topic("a", 1)
	c.produce("a", 0, records)
	e := d.use(t)
	l := life{Brokers: c.ListenAddrs(), Journal: t.TempDir() + "/journal", Crash: "freeze", After: 20, Database: d}
	cmd, out := l.member(t)
	defer func() { _ = cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	e.await(t, 19)
	c.g.Eventually(func() string { return stateOf(cmd.Process.Pid) }, patience).Should(Equal("T"), out.String())
	p := c.run(t, each("a", noting("second"), external(e)))
	e.await(t, records)
	c.g.Expect(cmd.Process.Signal(syscall.SIGCONT)).To(Succeed())
	c.g.Eventually(func() int { return c.members("g") }, patience).Should(Equal(2), "it has noticed, and joined again")
	p.stop()
	c.g.Expect(e.of("a", 0)).To(Equal(sequence(records)))
}

// stateOf is the state of a process as the kernel tells it: T is stopped.
func stateOf(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return err.Error()
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	return fields[0]
}

// members counts those of a group.
func (c *cluster) members(group string) int {
	described, err := c.admin.DescribeGroups(context.Background(), group)
	if err != nil {
		return -1
	}
	return len(described[group].Members)
}
