package engine

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// A timer that fires while a run ends finds no attempt. It must not wind itself up again: nobody would ever stop it.
func TestAttemptsTimerRestsBetweenRuns(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	a := newAttempts(t.Context(), time.Hour, newClock())
	a.arm()
	a.start()
	a.disarm()
	a.expire() // was under way
	g.Expect(a.timer.Stop()).To(BeFalse(), "not running")
	a.arm()
	a.expire() // before the first attempt
	g.Expect(a.timer.Stop()).To(BeTrue(), "still watching")
	a.stop()
}

func TestAttemptsRunOutOneByOne(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	c := newClock()
	a := newAttempts(t.Context(), time.Millisecond, c)
	a.arm()
	c.read()
	slow := a.start()
	deadline, ok := slow.Deadline()
	g.Expect(ok).To(BeTrue())
	<-slow.Done()
	g.Expect(slow.Err()).To(Equal(context.DeadlineExceeded))
	g.Expect(time.Now()).To(BeTemporally(">=", deadline), "not early")
	g.Expect(a.live.Load().Err()).To(HaveOccurred())
	c.read()
	g.Expect(a.start()).NotTo(BeIdenticalTo(slow), "the next attempt has a context of its own")
	a.disarm()
	a.stop()
}
