//go:build unix

package framework

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// operate lets signals steer a process: SIGTSTP and SIGCONT make it quiet and wake it, SIGUSR1 writes what it is doing to standard error.
// stop ends that.
func operate(c *Control) (stop func()) {
	quit := make(chan struct{})
	// Apart from each other: standard error may block, and a process must wake up all the same.
	steering, asking := make(chan os.Signal, 8), make(chan os.Signal, 1) //nolint:mnd // more than anybody types
	signal.Notify(steering, syscall.SIGTSTP, syscall.SIGCONT)
	signal.Notify(asking, syscall.SIGUSR1)
	go each(steering, quit, func(s os.Signal) {
		do, name := c.Quiet, "SIGTSTP"
		if s == syscall.SIGCONT {
			do, name = c.Wake, "SIGCONT"
		}
		if err := do(); err != nil {
			fmt.Fprintf(os.Stderr, "%s is ignored: %v\n", name, err)
		}
	})
	go each(asking, quit, func(os.Signal) {
		if err := c.dump(os.Stderr); err != nil {
			fmt.Fprintf(os.Stderr, "SIGUSR1 is ignored: %v\n", err)
		}
	})
	return func() {
		signal.Stop(steering)
		signal.Stop(asking)
		close(quit)
	}
}

func each(signals <-chan os.Signal, quit <-chan struct{}, do func(os.Signal)) {
	for {
		select {
		case s := <-signals:
			do(s)
		case <-quit:
			return
		}
	}
}
