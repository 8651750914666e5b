package health_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/internal/health"
)

var _ = Describe("Health", func() {
	var (
		h    *health.Health
		busy health.Busy
		now  time.Time
		age  time.Duration
	)

	errDown := errors.New("broker is down")
	where := callbacks.Where{Group: "g", Topic: "t", Partition: 1}

	// probe returns the status and what is wrong.
	probe := func(ctx SpecContext, name string) (int, []string) {
		GinkgoHelper()
		w := httptest.NewRecorder()
		h.Handler().ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/healthz/"+name, nil))
		var body struct {
			Status   string   `json:"status"`
			Problems []string `json:"problems"`
		}
		Expect(w.Header().Get("Content-Type")).To(Equal("application/json"))
		Expect(json.Unmarshal(w.Body.Bytes(), &body)).To(Succeed())
		Expect(body.Status).To(Equal(map[bool]string{true: "ok", false: "failing"}[w.Code == http.StatusOK]))
		return w.Code, body.Problems
	}
	right := func(ctx SpecContext, name string) {
		GinkgoHelper()
		code, problems := probe(ctx, name)
		Expect(problems).To(BeEmpty())
		Expect(code).To(Equal(http.StatusOK))
	}
	wrong := func(ctx SpecContext, name string, want ...string) {
		GinkgoHelper()
		code, problems := probe(ctx, name)
		Expect(code).To(Equal(http.StatusServiceUnavailable))
		Expect(problems).To(Equal(want))
	}

	BeforeEach(func() {
		busy, now, age = health.Busy{}, time.Unix(1000, 0), 0
		h = health.New(health.Settings{
			Groups: []string{"g", "h"}, StuckAfter: time.Minute, Forget: 2 * time.Minute,
			Oldest:  func() health.Busy { return busy },
			PollAge: func() map[string]time.Duration { return map[string]time.Duration{"g": age, "h": 0} },
		})
		h.SetClock(func() time.Time { return now })
	})

	It("starts", func(ctx SpecContext) {
		wrong(ctx, "startup", "starting")
		wrong(ctx, "ready", "starting")
		right(ctx, "live")
		h.Started()
		right(ctx, "startup")
		wrong(ctx, "ready", "group g: not joined yet", "group h: not joined yet")
	})

	It("is ready when every group has joined, one without partitions too", func(ctx SpecContext) {
		h.Started()
		h.OnEvent(ctx, callbacks.Joined{Group: "g", Partitions: 2})
		wrong(ctx, "ready", "group h: not joined yet")
		h.OnEvent(ctx, callbacks.Joined{Group: "h"})
		right(ctx, "ready")
	})

	Context("started and joined", func() {
		BeforeEach(func(ctx SpecContext) {
			h.Started()
			h.OnEvent(ctx, callbacks.Joined{Group: "g"})
			h.OnEvent(ctx, callbacks.Joined{Group: "h"})
		})

		DescribeTable("is not ready from a failure to the next success, and alive all the time",
			func(ctx SpecContext, failure callbacks.Event, problem string, other, success callbacks.Event) {
				h.OnEvent(ctx, failure)
				wrong(ctx, "ready", problem)
				right(ctx, "live")
				h.OnEvent(ctx, other)
				wrong(ctx, "ready", problem)
				h.OnEvent(ctx, success)
				right(ctx, "ready")
			},
			Entry("polling",
				callbacks.FetchFailed{Where: callbacks.Where{Group: "g"}, Err: errDown}, "group g: group: broker is down",
				callbacks.Joined{Group: "h"}, callbacks.Joined{Group: "g"}),
			Entry("fetching a partition",
				callbacks.FetchFailed{Where: where, Err: errDown}, "group g: fetch t/1: broker is down",
				callbacks.Fetched{Where: callbacks.Where{Group: "g", Topic: "t", Partition: 2}}, callbacks.Fetched{Where: where}),
			Entry("fetching a partition that is revoked",
				callbacks.FetchFailed{Where: where, Err: errDown}, "group g: fetch t/1: broker is down",
				callbacks.Joined{Group: "g"}, callbacks.Revoked{Where: where}),
			Entry("committing",
				callbacks.CommitFailed{Where: where, Err: errDown}, "group g: commit: broker is down",
				callbacks.Fetched{Where: where}, callbacks.Committed{Where: where}),
			Entry("asking a store",
				callbacks.StoreFailed{Where: where, Err: errDown}, "group g: offset store t/1: broker is down",
				callbacks.Fetched{Where: where}, callbacks.Committed{Where: where}),
			Entry("claiming in a store",
				callbacks.StoreFailed{Where: where, Err: errDown}, "group g: offset store t/1: broker is down",
				callbacks.Joined{Group: "g"}, callbacks.Positioned{Where: where}),
			Entry("a topic that does not exist",
				callbacks.TopicMissing{Group: "g", Topic: "t"}, "group g: topic t does not exist",
				callbacks.Joined{Group: "g"}, callbacks.Assigned{Where: where}),
		)

		It("forgets a failure of an idle group that does not come again", func(ctx SpecContext) {
			h.OnEvent(ctx, callbacks.FetchFailed{Where: where, Err: errDown})
			now = now.Add(time.Minute)
			h.OnEvent(ctx, callbacks.FetchFailed{Where: where, Err: errDown})
			now = now.Add(2 * time.Minute)
			wrong(ctx, "ready", "group g: fetch t/1: broker is down")
			now = now.Add(time.Second)
			right(ctx, "ready")
		})

		It("is not ready while it stops", func(ctx SpecContext) {
			h.OnEvent(ctx, callbacks.Stopping{Group: "g"})
			wrong(ctx, "ready", "stopping")
			right(ctx, "live")
		})

		It("is not ready while it is quiet", func(ctx SpecContext) {
			h.OnEvent(ctx, callbacks.Paused{Where: callbacks.Where{Group: "g", Partition: -1}, Reason: callbacks.PausedQuiet})
			wrong(ctx, "ready", "group g: quiet")
			right(ctx, "live")
			h.OnEvent(ctx, callbacks.Resumed{Where: callbacks.Where{Group: "g", Partition: -1}, Reason: callbacks.PausedQuiet})
			right(ctx, "ready")
		})

		It("F93 is not alive with a poll loop that does not come back", func(ctx SpecContext) {
			age = time.Minute
			right(ctx, "live")
			age += time.Second
			wrong(ctx, "live", "group g: its poll loop has not come back for 1m1s, http.stuck_after is 1m0s")
		})

		It("is not alive with a handler that is stuck", func(ctx SpecContext) {
			busy = health.Busy{Where: "group g: t/1@17", For: time.Minute}
			right(ctx, "live")
			busy.For += time.Second
			wrong(ctx, "live", "group g: t/1@17: handler has been running for 1m1s, http.stuck_after is 1m0s")
			right(ctx, "ready")
		})
	})

	It("never fails liveness without a limit", func(ctx SpecContext) {
		h = health.New(health.Settings{Oldest: func() health.Busy { return health.Busy{For: time.Hour} }})
		right(ctx, "live")
	})
})
