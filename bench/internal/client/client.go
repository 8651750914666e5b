// Package client is what all client programs share: it does the work that a job asks for with each record, knows when that is over, and
// measures. A client program only consumes, and produces.
package client

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/karafgo/karafgo/bench/internal/work"
)

// Run is a job in progress.
type Run struct {
	work.Job

	// Handle does the work with one record. Records of one partition come one after the other.
	Handle func(topic string, partition int32, offset int64, value []byte) error
	// HandleSideBySide is the same for clients that handle records of one partition at the same time.
	HandleSideBySide func(topic string, partition int32, offset int64, value []byte) error

	started time.Time
	first   atomic.Int64 // since started
	last    atomic.Int64
	parts   map[string][]partition
	left    atomic.Int64 // partitions that are not at their end
	done    chan struct{}
	once    sync.Once

	idleFrom  time.Time
	idleCPU   time.Duration
	latencies []float64
	mu        sync.Mutex
}

type partition struct {
	end, records, sum int64
	over              bool
	_                 [32]byte // a cache line of its own
}

// Done is closed when the job is over: the client is to close, with what it has handled committed.
func (r *Run) Done() <-chan struct{} { return r.done }

// Context ends when the job is over.
func (r *Run) Context() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-r.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// Groups are the topics of each consumer group.
func (r *Run) Groups() [][]string {
	if !r.GroupPerTopic {
		return [][]string{r.Topics}
	}
	groups := make([][]string, len(r.Topics))
	for i, t := range r.Topics {
		groups[i] = []string{t}
	}
	return groups
}

// Main runs the variant that the job names, and prints a sample.
func Main(variants map[string]func(*Run) error) {
	if err := run(variants); err != nil {
		fmt.Fprintln(os.Stderr, "bench client:", err)
		os.Exit(1)
	}
}

func run(variants map[string]func(*Run) error) error {
	if len(os.Args) != 2 { //nolint:mnd // the program and its job
		return errors.New("give the job as JSON; the driver does")
	}
	r := &Run{done: make(chan struct{}), parts: map[string][]partition{}}
	if err := json.Unmarshal([]byte(os.Args[1]), &r.Job); err != nil {
		return fmt.Errorf("read job: %w", err)
	}
	name := r.Variant
	if work.Own(r.Handler) {
		name += ":" + r.Handler
	}
	consume := variants[name]
	if consume == nil {
		return fmt.Errorf("no variant %q", name)
	}
	pin()
	r.prepare()
	if r.Profile != "" {
		stop, err := profile(r.Profile)
		if err != nil {
			return err
		}
		defer stop()
	}
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	cpu0 := usage()
	r.started = time.Now()
	if r.Until == work.Told {
		go r.listen()
	}
	if err := consume(r); err != nil {
		return err
	}
	closed := time.Since(r.started)
	cpu1 := usage()
	runtime.ReadMemStats(&m1)
	s := work.Sample{
		First: time.Duration(r.first.Load()), CPU: cpu1 - cpu0, Mallocs: m1.Mallocs - m0.Mallocs, RSS: peak(),
		Latencies: r.latencies, IdleCPU: r.idleCPU,
	}
	if !r.idleFrom.IsZero() {
		s.IdleSpan = r.started.Add(time.Duration(r.last.Load())).Sub(r.idleFrom)
	}
	s.Span = time.Duration(r.last.Load()) - s.First
	s.Close = closed - time.Duration(r.last.Load())
	for _, ps := range r.parts {
		for i := range ps {
			s.Records += ps[i].records
			s.Checksum += ps[i].sum
			if ps[i].records > 0 {
				s.Partitions++
			}
		}
	}
	return json.NewEncoder(os.Stdout).Encode(s)
}

func (r *Run) finish() {
	r.once.Do(func() {
		r.last.Store(int64(time.Since(r.started)))
		if !r.idleFrom.IsZero() {
			r.idleCPU = usage() - r.idleCPU
		}
		close(r.done)
	})
}

// prepare makes Handle.
func (r *Run) prepare() {
	for _, t := range r.Topics {
		ps := make([]partition, len(r.Ends))
		for i, end := range r.Ends {
			ps[i].end = end
			ps[i].over = end == 0
			if end > 0 {
				r.left.Add(1)
			}
		}
		r.parts[t] = ps
	}
	do := map[string]func(p *partition, value []byte) error{
		work.Look: nil, work.JSON: decode, work.Latency: r.latency,
		work.Sleep: func(p *partition, _ []byte) error {
			r.wait(atomic.LoadInt64(&p.records))
			return nil
		},
	}[r.Handler]
	r.sideBySide(do)
	only := r.parts[r.Topics[0]]
	single := len(r.Topics) == 1
	r.Handle = func(topic string, id int32, offset int64, value []byte) error {
		ps := only
		if !single {
			ps = r.parts[topic]
		}
		p := &ps[id]
		p.sum += int64(len(value)) + offset
		p.records++
		if p.records == 1 {
			r.seen()
		}
		if do != nil {
			if err := do(p, value); err != nil {
				return err
			}
		}
		if offset+1 >= p.end && !p.over {
			p.over = true
			r.ended()
		}
		return nil
	}
}

// wait is a slow handler.
func (r *Run) wait(n int64) {
	d := r.Sleep
	switch {
	case r.SlowEvery > 0 && n%r.SlowEvery == 0:
		d = r.Slow
	case r.Spread:
		const prime = 7919
		d = time.Duration(n * prime % 1000 * int64(d) / 1000) //nolint:mnd // thousandths, the same in every run
	}
	time.Sleep(d) //nolint:forbidigo // a slow handler
}

// sideBySide makes HandleSideBySide: a partition is over when all its records are handled, in any order.
func (r *Run) sideBySide(do func(p *partition, value []byte) error) {
	parts := r.parts[r.Topics[0]] // works by key have one topic
	r.HandleSideBySide = func(_ string, id int32, offset int64, value []byte) error {
		p := &parts[id]
		if r.first.Load() == 0 {
			r.seen()
		}
		if int64(len(value))+offset < 0 {
			panic("never: it looks at the record")
		}
		if do != nil {
			if err := do(p, value); err != nil {
				return err
			}
		}
		if atomic.AddInt64(&p.records, 1) == p.end {
			r.ended()
		}
		return nil
	}
}

// seen notes the first record of a partition.
func (r *Run) seen() {
	if r.first.CompareAndSwap(0, int64(time.Since(r.started))) && r.Until == work.AfterSleep && len(r.Ends) > 0 && r.Ends[0] > 1 {
		time.AfterFunc(r.After, r.finish)
	}
	if r.Until != work.Partitions {
		return
	}
	r.mu.Lock()
	r.Count--
	r.Announce--
	enough, announce := r.Count == 0, r.Announce == 0
	r.mu.Unlock()
	if announce {
		fmt.Println()
	}
	if enough {
		r.finish()
	}
}

// ended notes that a partition is at its end.
func (r *Run) ended() {
	if r.left.Add(-1) > 0 {
		return
	}
	switch r.Until {
	case work.AtEnd:
		r.finish()
	case work.AfterSleep: // idle from now on
		r.idleFrom = time.Now()
		r.idleCPU = usage()
		time.AfterFunc(r.After, r.finish)
	}
}

func decode(p *partition, value []byte) error {
	var o work.Order
	if err := json.Unmarshal(value, &o); err != nil {
		return err
	}
	p.sum += int64(len(o.Lines))
	return nil
}

// settled is how long after its first record a client is idle but for new ones.
const settled = 500 * time.Millisecond

func (r *Run) latency(_ *partition, value []byte) error {
	produced := time.Unix(0, int64(binary.BigEndian.Uint64(value)))
	at := time.Since(produced)
	if produced.Before(r.started.Add(time.Duration(r.first.Load()) + settled)) {
		return nil // it was there before, or the client is still busy with those
	}
	r.mu.Lock()
	r.latencies = append(r.latencies, float64(at)/float64(time.Millisecond))
	enough := len(r.latencies) >= r.Count
	r.mu.Unlock()
	if enough {
		r.finish()
	}
	return nil
}

// pin keeps a client to the first processor, where there are two: the broker has the last.
func pin() {
	if runtime.NumCPU() < 2 { //nolint:mnd // there is nothing to share
		return
	}
	var set unix.CPUSet
	set.Set(0)
	_ = unix.SchedSetaffinity(0, &set) // without it the numbers are noisier
	runtime.GOMAXPROCS(1)
}

func profile(name string) (stop func(), err error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}

func usage() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peak is the most memory that the process had, in MiB. Getrusage would count what its parent had when it was forked.
func peak() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		var kib float64
		if _, err := fmt.Sscanf(line, "VmHWM: %f kB", &kib); err == nil {
			return kib / 1024 //nolint:mnd // KiB
		}
	}
	return 0
}
