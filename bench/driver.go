package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/karafgo/karafgo/bench/internal/work"
)

// patience is how long one client may take for a work.
const patience = 3 * time.Minute

// driver builds clients and runs them.
type driver struct {
	o    options
	dir  string
	only []string
}

func newDriver(o options) (*driver, error) {
	d := &driver{o: o}
	if o.clients != "" {
		d.only = append(strings.Split(o.clients, ","), raw)
		for _, name := range d.only {
			if !slices.ContainsFunc(contenders, func(c contender) bool { return c.Name == name }) {
				return nil, fmt.Errorf("no client %q", name)
			}
		}
	}
	pinLast()
	var err error
	if d.dir, err = os.MkdirTemp("", "karafgo-bench-"); err != nil {
		return nil, err
	}
	programs := map[string]bool{}
	for _, c := range contenders {
		if !d.has(c) || c.Java || programs[c.Program] {
			continue
		}
		programs[c.Program] = true
		fmt.Fprintln(os.Stderr, "building", c.Program)
		cmd := exec.Command("go", "build", "-o", filepath.Join(d.dir, c.Program), "./clients/"+c.Program) //nolint:gosec,noctx // our own
		if out, err := cmd.CombinedOutput(); err != nil {
			d.close()
			return nil, fmt.Errorf("build %s: %w\n%s", c.Program, err, out)
		}
	}
	return d, nil
}

func (d *driver) has(c contender) bool { return d.only == nil || slices.Contains(d.only, c.Name) }

func (d *driver) close() { _ = os.RemoveAll(d.dir) }

// result is what one client did in one round.
type result struct {
	client string
	sample work.Sample
}

// measure runs all rounds of a work.
func (d *driver) measure(w workload, gogc string) ([]row, error) {
	s, err := setStage(w, d.o.brokers, d.o.percent)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if w.Feed > 0 {
		defer s.feed(w.Feed)()
	}
	few := s
	if w.writes() {
		if few, err = setStage(w, d.o.brokers, max(d.o.percent/slowShare, 1)); err != nil {
			return nil, err
		}
		defer few.close()
	}
	var taking []contender
	for _, c := range contenders {
		if d.has(c) && w.takes(c) {
			taking = append(taking, c)
		}
	}
	rounds := make([][]result, d.o.rounds)
	failed := map[string]error{}
	for r := range rounds {
		for i := range taking {
			c := taking[(i+r)%len(taking)] // nobody is always first
			if failed[c.Name] != nil {
				continue
			}
			on := s
			if c.Slow {
				on = few
			}
			sample, err := d.run(w, c, on, gogc)
			if err != nil {
				fmt.Fprintf(os.Stderr, "%s: %s fails: %v\n", w.Name, c.Name, err)
				if c.Name == raw {
					return nil, err
				}
				failed[c.Name] = err
				continue
			}
			fmt.Fprintf(os.Stderr, "%s GOGC %s round %d %-24s %s\n", w.Name, gogc, r+1, c.Name, brief(w, sample))
			rounds[r] = append(rounds[r], result{c.Name, sample})
		}
	}
	return summarise(w, gogc, taking, rounds), nil
}

// run runs one client once.
func (d *driver) run(w workload, c contender, s *stage, gogc string) (work.Sample, error) {
	job := work.Job{
		Variant: c.Name, Brokers: s.brokers, Topics: s.topics, Ends: s.ends,
		Group:   fmt.Sprintf("bench-%s-%d", c.Name, time.Now().UnixNano()),
		Handler: w.Handler, Sleep: w.Sleep, Until: w.Until, After: w.After, Count: w.Count, GroupPerTopic: w.Groups,
		SlowEvery: w.Every, Slow: w.Slow, Spread: w.Spread, FailKey: w.FailKey, AtOnce: w.AtOnce,
		Interval: w.Interval,
	}
	if w.Handler == work.Store || w.Handler == work.StoreBatch {
		database, err := os.MkdirTemp(d.dir, "database-")
		if err != nil {
			return work.Sample{}, err
		}
		defer func() { _ = os.RemoveAll(database) }()
		job.Database = filepath.Join(database, "bench.db")
	}
	if w.Feed > 0 {
		job.Ends = make([]int64, len(s.ends))
	}
	if c.Decodes {
		job.Handler = work.Look
	}
	if d.o.profile == c.Name {
		job.Profile = c.Name + ".pprof"
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if w.Second {
		member := job
		member.Until, member.Profile = work.Partitions, ""
		member.Count = w.Partitions + 1 // never
		stop, err := d.member(ctx, c, member, w.Partitions, gogc)
		if err != nil {
			return work.Sample{}, err
		}
		defer stop()
	}
	var outputs *outlet
	if w.writes() {
		var err error
		if outputs, err = s.open(ctx, w, &job); err != nil {
			return work.Sample{}, err
		}
		defer outputs.close()
	}
	cmd := d.command(ctx, c, job, gogc)
	if outputs != nil {
		cmd.Stdin = outputs.told
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := d.start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return work.Sample{}, fmt.Errorf("%w %s", err, lastLine(stderr.String()))
	}
	var sample work.Sample
	if err := json.Unmarshal(stdout.Bytes(), &sample); err != nil {
		return sample, fmt.Errorf("what it printed is no sample: %w", err)
	}
	if outputs != nil {
		sample.Records, err = outputs.check(ctx)
		if err != nil {
			return sample, err
		}
	}
	if sample.Records == 0 {
		return sample, errors.New("it had no records")
	}
	return sample, nil
}

func (d *driver) command(ctx context.Context, c contender, job work.Job, gogc string) *exec.Cmd {
	arg, _ := json.Marshal(job) //nolint:errchkjson // these types cannot fail
	program := []string{filepath.Join(d.dir, c.Program)}
	if c.Java {
		program = javaCommand(program[0])
	}
	cmd := exec.CommandContext(ctx, program[0], append(program[1:], string(arg))...) //nolint:gosec // our own
	cmd.Env = append(os.Environ(), "GOGC="+gogc)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a client that is left behind would disturb what is measured next
	return cmd
}

// start starts a client. Beside parallel-consumer all are on the first processor from their beginning: Java cannot go there by itself, and
// sizes itself, as Go does, by what it may use when it starts.
func (d *driver) start(cmd *exec.Cmd) error {
	if !d.o.parallel || runtime.NumCPU() == 1 {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var old, first unix.CPUSet
	first.Set(0)
	if err := unix.SchedGetaffinity(0, &old); err != nil {
		return err
	}
	if err := unix.SchedSetaffinity(0, &first); err != nil {
		return err
	}
	defer func() { _ = unix.SchedSetaffinity(0, &old) }() // it could be set before
	return cmd.Start()
}

// member starts a client that is in the group before, and returns when it has had records of all partitions.
func (d *driver) member(ctx context.Context, c contender, job work.Job, partitions int, gogc string) (stop func(), err error) {
	job.Announce = partitions
	cmd := d.command(ctx, c, job, gogc)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	var announced [1]byte
	if _, err := stdout.Read(announced[:]); err != nil {
		stop()
		return nil, fmt.Errorf("the first member: %w", err)
	}
	return stop, nil
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
