package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// least is how many consumers there are before the end.
const least = 3

// crew are the processes.
type crew struct {
	o        options
	c        *cluster
	producer *exec.Cmd
	input    io.Closer
	members  []*member
	count    int
	unclean  []string
}

// member is a consumer process.
type member struct {
	name   string
	seat   int
	cmd    *exec.Cmd
	done   chan error
	frozen bool
}

func (m *member) wait() error { return <-m.done }

func hire(o options, c *cluster) (*crew, error) {
	w := &crew{o: o, c: c}
	w.producer = w.command("producer", "produce", strings.Join(c.addrs, ","), filepath.Join(o.dir, "producer.jsonl"), strconv.Itoa(o.rate))
	input, err := w.producer.StdinPipe()
	if err != nil {
		return nil, err
	}
	w.input = input
	if err := w.producer.Start(); err != nil {
		return nil, err
	}
	for range least {
		if err := w.start(); err != nil {
			w.dismiss()
			return nil, err
		}
	}
	return w, nil
}

func (w *crew) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...) //nolint:gosec,noctx // itself; it is ended by signals
	if log, err := os.Create(filepath.Join(w.o.dir, name+".log")); err == nil {
		cmd.Stdout, cmd.Stderr = log, log
	}
	cmd.SysProcAttr = own()
	return cmd
}

// start adds a consumer.
func (w *crew) start() error {
	w.count++
	name := fmt.Sprintf("member-%d", w.count)
	m := &member{name: name, seat: w.seat(), done: make(chan error, 1)}
	m.cmd = w.command(name, "consume", name, strings.Join(w.c.addrs, ","), filepath.Join(w.o.dir, name+".jsonl"),
		w.o.modes(), m.transactionalID())
	if err := m.cmd.Start(); err != nil {
		return err
	}
	go func() { m.done <- m.cmd.Wait() }()
	w.members = append(w.members, m)
	return nil
}

// seat is the first that nobody has.
func (w *crew) seat() (free int) {
	for slices.ContainsFunc(w.members, func(m *member) bool { return m.seat == free }) {
		free++
	}
	return free
}

// transactionalID is that of a seat, as a pod of a StatefulSet has one: who is next ends what the one before has left open. Every second
// seat has none, and the cluster ends it when its time is over.
func (m *member) transactionalID() string {
	if m.seat%2 == 1 {
		return ""
	}
	return fmt.Sprintf("seat-%d", m.seat)
}

func (w *crew) remove(m *member) {
	for i, other := range w.members {
		if other == m {
			w.members = append(w.members[:i:i], w.members[i+1:]...)
			return
		}
	}
}

// kill ends a consumer at once.
func (w *crew) kill(m *member) {
	_ = m.cmd.Process.Kill()
	_ = m.wait() // killed
	w.remove(m)
}

// stop lets consumers end, and notes those that do not end as they should.
func (w *crew) stop(ms ...*member) {
	for _, m := range ms {
		_ = m.cmd.Process.Signal(syscall.SIGTERM)
	}
	const patience = time.Minute
	late := time.After(patience)
	for _, m := range ms {
		select {
		case err := <-m.done:
			if err != nil {
				w.unclean = append(w.unclean, fmt.Sprintf("I6: %s did not end well after SIGTERM: %v", m.name, err))
			}
		case <-late:
			w.unclean = append(w.unclean, fmt.Sprintf("I6: %s did not end within %s of SIGTERM", m.name, patience))
			w.kill(m)
		}
		w.remove(m)
	}
}

// bury notes consumers that ended by themselves.
func (w *crew) bury() {
	for _, m := range append([]*member(nil), w.members...) {
		select {
		case err := <-m.done:
			w.unclean = append(w.unclean, fmt.Sprintf("I6: %s ended by itself: %v", m.name, err))
			w.remove(m)
		default:
		}
	}
}

func (w *crew) stopProducer() error {
	_ = w.input.Close()
	return w.producer.Wait()
}

func (w *crew) stopConsumers() []string {
	w.bury()
	w.stop(append([]*member(nil), w.members...)...)
	return w.unclean
}

// dismiss ends whatever still runs.
func (w *crew) dismiss() {
	_ = w.producer.Process.Kill()
	for _, m := range append([]*member(nil), w.members...) {
		w.kill(m)
	}
}
