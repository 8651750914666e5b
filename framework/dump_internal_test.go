package framework

import (
	"errors"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/karafgo/karafgo/internal/engine"
)

var _ = Describe("What SIGUSR1 writes", func() {
	now := time.Date(2026, 11, 21, 6, 30, 0, 0, time.UTC)

	It("tells of groups and of what every partition does", func() {
		var out strings.Builder
		Expect(write(&out, now, []engine.GroupStatus{
			{Group: "pricing", PollAge: 12 * time.Millisecond, Buffered: 4096, MaxBuffered: 8192},
			{Group: "mail", Paused: []string{"quiet", "memory"}},
		}, []PartitionStatus{
			{Group: "pricing", Topic: "t", State: "fetching", Epoch: 1, Position: 40, Committed: -1, HighWatermark: -1},
			{
				Group: "pricing", Topic: "t", Partition: 1, State: "fetching", Epoch: 2, Position: 43, Committed: 42, HighWatermark: 50, Lag: 8, Queued: 7,
				Retrying: &engine.RetryStatus{Offset: 42, Last: 42, Attempt: 5, Blocked: true, Err: errors.New("busy"), Next: now.Add(12 * time.Second)},
			},
			{
				Group: "pricing", Topic: "t", Partition: 2, State: "fetching", Paused: []string{"user"},
				Retrying: &engine.RetryStatus{Offset: 1, Last: 9, Attempt: 1, Err: errors.New("no")},
			},
			{Group: "pricing", Topic: "t", Partition: 3, State: "fetching", Epoch: 3, WaitsFor: 1, Handling: 7, Busy: time.Minute},
			{Group: "pricing", Topic: "t", Partition: 4, State: "closed", Handling: 7, Busy: time.Minute},
		})).To(Succeed())
		//nolint:dupword // a table
		Expect(out.String()).To(Equal(`karafgo: 2 groups, 5 partitions at 2026-11-21T06:30:00Z
GROUP    POLL LOOP AWAY  BUFFERED BYTES  MOST  PAUSED BY
pricing  12ms            4096            8192  -
mail     0s              0               0     quiet, memory

GROUP    TOPIC  PARTITION  EPOCH  POSITION  COMMITTED  LAG      QUEUED  DOING
pricing  t      0          1      40        unknown    unknown  0       idle
pricing  t      1          2      43        42         8        7       blocked by offset 42 after 5 attempts, again in 12s: busy
pricing  t      2          0      0         0          0        0       batch of offsets 1 to 9 failed 1 time: no; paused by user
pricing  t      3          3      0         0          0        0       waits for the handler of epoch 1, which was left behind at offset 7 and runs for 1m0s
pricing  t      4          0      0         0          0        0       taken away from this process, its handler was left behind: handling offset 7 for 1m0s
`))
	})

	DescribeTable("shows an error in one line that no terminal obeys", func(text, shown string) {
		Expect(oneLine(errors.New(text))).To(Equal(shown))
	},
		Entry("as it is", `price "7" of naïve`, `price "7" of naïve`),
		Entry("lines", "a\n\tb", "a b"),
		Entry("escapes", "\x1b[31mred\x00", `\x1b[31mred\x00`),
		Entry("much of it", strings.Repeat("x", 1000), strings.Repeat("x", 300)+" …"),
		Entry("no half of a letter", "x"+strings.Repeat("ü", 1000), "x"+strings.Repeat("ü", 149)+" …"),
	)
})
