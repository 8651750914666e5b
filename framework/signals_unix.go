//go:build unix

package framework

import (
	"os"
	"os/signal"
	"syscall"
)

// operate lets signals steer a process: SIGTSTP and SIGCONT make it quiet and wake it, SIGUSR1 writes what it is doing to standard error.
// stop ends that.
func operate(c *Control) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTSTP, syscall.SIGCONT, syscall.SIGUSR1)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				obey(c, s)
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
	}
}

func obey(c *Control, s os.Signal) {
	switch s {
	case syscall.SIGTSTP:
		_ = c.Quiet() // not running yet: there is nothing to be quiet about
	case syscall.SIGCONT:
		_ = c.Wake() // as above
	case syscall.SIGUSR1:
		partitions, _ := c.Partitions() // none before the start
		_ = dump(os.Stderr, partitions) // nobody to tell
	}
}
