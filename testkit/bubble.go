package testkit

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// patience is how much real time may pass until all goroutines in virtual time wait for each other.
const patience = 30 * time.Second

// suite is the test function in which a Ginkgo suite runs.
var suite atomic.Pointer[testing.T] //nolint:gochecknoglobals // a Ginkgo spec cannot reach it otherwise

// Suite lets Ginkgo specs use [New]: virtual time needs the *testing.T of the function that calls RunSpecs.
//
//	func TestOrders(t *testing.T) {
//		testkit.Suite(t)
//		RegisterFailHandler(Fail)
//		RunSpecs(t, "Orders")
//	}
func Suite(t *testing.T) { suite.Store(t) }

// bubble is where time is virtual. A test may be inside already, in synctest.Test; then there is nothing to enter. Otherwise a goroutine of
// the kit is inside, and runs what it is given; between two calls time stands still.
type bubble struct {
	inside bool
	calls  chan func()
	done   chan struct{}
	ended  chan struct{}
}

// enter finds or makes a bubble.
func enter(tb testing.TB) (*bubble, error) {
	tb.Helper()
	t, isT := tb.(*testing.T)
	if isT && inBubble(t) {
		return &bubble{inside: true}, nil
	}
	if !isT {
		if t = suite.Load(); t == nil {
			return nil, fmt.Errorf("testkit.New with a %T: call testkit.Suite(t) in the test function that calls RunSpecs", tb)
		}
	}
	b := &bubble{calls: make(chan func()), done: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(b.ended)
		synctest.Test(t, func(*testing.T) {
			for call := range b.calls { // blocked on the outside: virtual time stands still
				call()
				b.done <- struct{}{}
			}
		})
	}()
	return b, nil
}

// inBubble asks the only way there is: Deadline panics inside.
func inBubble(t *testing.T) (inside bool) {
	defer func() {
		if recover() != nil {
			inside = true
		}
	}()
	t.Deadline()
	return false
}

// run runs fn in the bubble, until everything it set off waits for something.
func (b *bubble) run(tb testing.TB, fn func()) {
	tb.Helper()
	if b.inside {
		fn()
		synctest.Wait()
		return
	}
	b.calls <- func() {
		fn()
		synctest.Wait()
	}
	select {
	case <-b.done:
	case <-b.ended:
		tb.Fatal("testkit: virtual time has ended")
	case <-time.After(patience):
		stacks := make([]byte, 1<<20)
		tb.Fatalf("testkit: %s of real time have passed and a goroutine still runs, or waits for something that was made outside of "+
			"virtual time, such as a channel of the test: make it inside synctest.Test, or let the handler wait with time.Sleep\n\n%s",
			patience, stacks[:runtime.Stack(stacks, true)])
	}
}

// leave ends virtual time. It is not called when goroutines are left inside.
func (b *bubble) leave() {
	if b.inside {
		return
	}
	close(b.calls)
	<-b.ended
}
