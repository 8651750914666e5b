package admin_test

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/admin"
)

// patience bounds waiting on a loaded machine.
const patience = 60 * time.Second

// join makes a member of a group, which has all partitions of its topic when it returns. leave ends it.
func (s *site) join(t *testing.T, group, topic string, opts ...kgo.Opt) (leave func()) {
	t.Helper()
	assigned := make(chan struct{}, 1)
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(s.fake.ListenAddrs()...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ClientID("client-of-"+group), kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, p map[string][]int32) {
			if len(p[topic]) > 0 {
				select {
				case assigned <- struct{}{}:
				default:
				}
			}
		}))...)
	s.g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(cl.Close)
	go cl.PollFetches(t.Context())
	select {
	case <-assigned:
	case <-time.After(patience):
		t.Fatal("nothing was assigned")
	}
	return func() {
		_ = cl.LeaveGroupContext(t.Context()) // Close would say the same
		cl.Close()
	}
}

func TestGroupsAreOfEveryProtocol(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.topic("a", 2, 1)
	s.topic("gone", 1, 1)
	s.write("a", 0, 3)
	s.write("a", 1, 4)
	s.commit("empty", "a", 0, 1)
	s.commit("empty", "gone", 0, 0)
	_, err := s.kadm.DeleteTopic(t.Context(), "gone")
	s.g.Expect(err).NotTo(HaveOccurred())
	s.join(t, "classic", "a", kgo.Balancers(kgo.RangeBalancer()), kgo.InstanceID("i-1"))
	s.join(t, "new", "a", kgo.ServerSideBalancer())
	s.g.Eventually(func(g Gomega) {
		groups, err := s.admin.Groups(t.Context())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(groups).To(HaveLen(3))
		for i, want := range []struct {
			group, state, protocol string
			members                int
			lag                    int64
		}{{"classic", "Stable", "classic", 1, 7}, {"empty", "Empty", "classic", 0, 6}, {"new", "Stable", "consumer", 1, 7}} {
			got := groups[i]
			g.Expect([]any{got.Group, got.State, got.Protocol, len(got.Members), got.Lag()}).
				To(Equal([]any{want.group, want.state, want.protocol, want.members, want.lag}))
		}
	}).WithTimeout(patience).Should(Succeed())
	one, err := s.admin.Group(t.Context(), "classic")
	s.g.Expect(err).NotTo(HaveOccurred())
	s.g.Expect(one.Balancer).To(Equal("range"))
	s.g.Expect(one.Members[0].Client).To(Equal("client-of-classic"))
	s.g.Expect(one.Members[0].Host).To(HavePrefix("127.0.0.1"))
	s.g.Expect(one.Members[0].Assigned).To(Equal([]admin.Assigned{{Topic: "a", Partitions: []int32{0, 1}}}))
	s.g.Expect(one.Partitions).To(HaveLen(2))
	s.g.Expect(one.Partitions[1]).To(And(HaveField("Member", one.Members[0].ID), HaveField("Committed", BeNil()), HaveField("End", int64(4))))
	one, err = s.admin.Group(t.Context(), "new")
	s.g.Expect(err).NotTo(HaveOccurred())
	s.g.Expect(one.Members[0].Assigned).To(Equal([]admin.Assigned{{Topic: "a", Partitions: []int32{0, 1}}}))
	_, err = s.admin.Group(t.Context(), "nobody")
	s.g.Expect(err).To(MatchError(admin.ErrNoGroup))
}

func TestGroupsOfAnEmptyClusterAreNone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	groups, err := s.admin.Groups(t.Context())
	s.g.Expect(err).NotTo(HaveOccurred())
	s.g.Expect(groups).To(BeEmpty())
	_, err = s.admin.Group(t.Context(), "nobody")
	s.g.Expect(err).To(MatchError(admin.ErrNoGroup))
}

// at is a position from text.
func at(g *WithT, text string) admin.Position {
	p, err := admin.ParsePosition(text, time.Now())
	g.Expect(err).NotTo(HaveOccurred())
	return p
}

func TestResetClearsWhatWasDoneAhead(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.topic("a", 2, 1)
	s.write("a", 0, 10)
	var o kadm.Offsets
	o.Add(kadm.Offset{Topic: "a", Partition: 0, At: 5, LeaderEpoch: -1, Metadata: "karafgo/1;topic=00;base=5;epoch=-1;done=AQE"})
	s.g.Expect(s.kadm.CommitAllOffsets(t.Context(), "g", o)).To(Succeed())
	moves, err := s.admin.PlanReset(t.Context(), admin.Reset{Group: "g", Topics: []string{"a"}, By: 0})
	s.g.Expect(err).NotTo(HaveOccurred())
	s.g.Expect(moves).To(HaveLen(1), "a partition without a commit has nothing to go on from")
	s.g.Expect(moves[0]).To(And(HaveField("New", int64(5)), HaveField("Ahead", true)))
	s.g.Expect(s.admin.Reset(t.Context(), "g", moves, func(_ admin.Move, err error) { s.g.Expect(err).NotTo(HaveOccurred()) })).To(Succeed())
	topics, err := s.kadm.ListTopics(t.Context(), "a")
	s.g.Expect(err).NotTo(HaveOccurred())
	fetched, err := s.kadm.FetchOffsets(t.Context(), "g")
	s.g.Expect(err).NotTo(HaveOccurred())
	got, _ := fetched.Lookup("a", 0)
	s.g.Expect(got.At).To(Equal(int64(5)))
	s.g.Expect(got.Metadata).To(MatchRegexp("^karafgo/1;topic=[0-9a-f]{32}$"), "as the engine writes it")
	s.g.Expect(topics["a"].ID).NotTo(BeZero())
}

func TestResetFindsPlaces(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.topic("a", 1, 1)
	day := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	for i := range 10 {
		s.g.Expect(s.cl.ProduceSync(t.Context(), &kgo.Record{Topic: "a", Timestamp: day.Add(time.Duration(i) * time.Hour)}).FirstErr()).To(Succeed())
	}
	var cut kadm.Offsets
	cut.Add(kadm.Offset{Topic: "a", At: 2})
	_, err := s.kadm.DeleteRecords(t.Context(), cut)
	s.g.Expect(err).NotTo(HaveOccurred())
	s.commit("g", "a", 0, 6)
	for _, c := range []struct {
		to             string
		by             int64
		at             int64
		again, skipped int64
		wanted         any
	}{
		{"earliest", 0, 2, 4, 0, BeNil()},
		{"latest", 0, 10, 0, 4, BeNil()},
		{"4", 0, 4, 2, 0, BeNil()},
		{"0", 0, 2, 4, 0, HaveValue(Equal(int64(0)))},
		{"4711", 0, 10, 0, 4, HaveValue(Equal(int64(4711)))},
		{"2026-11-21T04:30:00Z", 0, 5, 1, 0, BeNil()},
		{"2026-11-21T04:30:00+02:00", 0, 3, 3, 0, BeNil()},
		{"2026-11-21", 0, 2, 4, 0, BeNil()},
		{"2026-11-22", 0, 10, 0, 4, BeNil()},
		{"", -3, 3, 3, 0, BeNil()},
		{"", 3, 9, 0, 3, BeNil()},
		{"", -100, 2, 4, 0, HaveValue(Equal(int64(-94)))},
	} {
		r := admin.Reset{Group: "g", Committed: func(string) bool { return true }, By: c.by}
		if c.to != "" {
			r.To = at(s.g, c.to)
		}
		moves, err := s.admin.PlanReset(t.Context(), r)
		s.g.Expect(err).NotTo(HaveOccurred())
		s.g.Expect(moves).To(HaveLen(1))
		s.g.Expect([]int64{moves[0].New, moves[0].Again(), moves[0].Skipped()}).To(Equal([]int64{c.at, c.again, c.skipped}), "%+v", c)
		s.g.Expect(moves[0]).To(HaveField("Wanted", c.wanted), "%+v", c)
	}
}

func TestResetRefusesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.topic("a", 2, 1)
	s.topic("b", 1, 1)
	s.commit("g", "a", 0, 0)
	s.commit("g", "b", 0, 0)
	for text, r := range map[string]admin.Reset{
		`group "none": the group does not exist`:                        {Group: "none", Topics: []string{"a"}},
		`group "none": it has committed nothing`:                        {Group: "none", New: true},
		`topic "c": the topic does not exist`:                           {Group: "g", Topics: []string{"a", "c"}},
		`topic "a" has no partition 2: it has 0 to 1`:                   {Group: "g", Topics: []string{"a"}, Partitions: []int32{1, 2}},
		"partitions of several topics are meant: name one of a, b":      {Group: "g", Committed: func(string) bool { return true }, Partitions: []int32{1}},
		`group "none": it has committed nothing: name a topic`:          {Group: "none", New: true, Committed: func(string) bool { return true }},
		`topic "c": the topic does not exist` + "\n" + `topic "d": the`: {Group: "g", Topics: []string{"c", "d"}},
	} {
		r.To = at(s.g, "earliest")
		_, err := s.admin.PlanReset(t.Context(), r)
		s.g.Expect(err).To(MatchError(HavePrefix(text)))
	}
}

func TestResetRefusesAnActiveGroup(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.topic("a", 2, 1)
	for name, opts := range map[string][]kgo.Opt{"classic": nil, "new": {kgo.ServerSideBalancer()}} {
		before, err := s.admin.PlanReset(t.Context(), admin.Reset{Group: name, Topics: []string{"a"}, To: at(s.g, "latest"), New: true})
		s.g.Expect(err).NotTo(HaveOccurred())
		leave := s.join(t, name, "a", opts...)
		_, err = s.admin.PlanReset(t.Context(), admin.Reset{Group: name, Topics: []string{"a"}, To: at(s.g, "latest")})
		active := &admin.ActiveError{}
		s.g.Expect(err).To(BeAssignableToTypeOf(active))
		s.g.Expect(err.Error()).To(MatchRegexp(`^group %q is active \(\w+\) .*: stop its members first: client-of-%s on 127\.0\.0\.1`, name, name))
		failed := 0
		err = s.admin.Reset(t.Context(), name, before, func(_ admin.Move, err error) {
			if err != nil {
				failed++
			}
		})
		s.g.Expect(err).To(MatchError(ContainSubstring("a member has joined the group meanwhile: stop it first")), "a plan may be old")
		s.g.Expect(failed).To(Equal(2))
		leave()
		s.g.Eventually(func() error {
			_, err := s.admin.PlanReset(t.Context(), admin.Reset{Group: name, Topics: []string{"a"}, To: at(s.g, "latest")})
			return err
		}).WithTimeout(patience).Should(Succeed())
	}
}
