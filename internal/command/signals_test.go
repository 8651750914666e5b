package command

import (
	"os"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestOneKeyIsOneSignal(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	var p presses
	start := time.Now()
	count := func(s os.Signal, after time.Duration) bool { return p.count(s, start.Add(after)) }
	g.Expect(count(os.Interrupt, 0)).To(BeTrue())
	g.Expect(count(os.Interrupt, once-1)).To(BeFalse(), "the terminal's, passed on")
	g.Expect(count(os.Interrupt, once)).To(BeTrue(), "the key, again")
	g.Expect(count(syscall.SIGTERM, once)).To(BeTrue(), "another one")
	g.Expect(count(syscall.SIGTERM, once)).To(BeTrue(), "which no terminal sends")
}
