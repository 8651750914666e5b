package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/tools/kafka"
	"github.com/karafgo/karafgo/tools/proxy"
)

// nemesis does to the processes and the cluster what production does.
type nemesis struct {
	o      options
	c      *cluster
	crew   *crew
	random *rand.Rand
	began  time.Time
	done   map[string]int
	grown  int
	frozen *kafka.Broker // one at most
	later  []undo
}

// undo ends a fault at a time.
type undo struct {
	at time.Time
	do func() error
}

type fault struct {
	name string
	// do reports false when there is nothing to do it to.
	do func(n *nemesis, ctx context.Context) (bool, error)
}

var faults = []fault{ //nolint:gochecknoglobals // constant
	{"start", (*nemesis).start},
	{"SIGTERM", (*nemesis).terminate},
	{"SIGKILL", (*nemesis).kill},
	{"SIGSTOP", (*nemesis).freeze},
	{"leader", (*nemesis).leader},
	{"coordinator", (*nemesis).coordinator},
	{"broker-stop", func(n *nemesis, ctx context.Context) (bool, error) { return n.broker(ctx, "stop") }},
	{"broker-kill", func(n *nemesis, ctx context.Context) (bool, error) { return n.broker(ctx, "kill") }},
	{"broker-freeze", func(n *nemesis, ctx context.Context) (bool, error) { return n.broker(ctx, "freeze") }},
	{"latency", (*nemesis).latency},
	{"blackhole", (*nemesis).blackhole},
	{"reset", (*nemesis).reset},
	{"partitions", (*nemesis).partitions},
	{"outputs", (*nemesis).outputs},
}

func faultNames() []string {
	names := make([]string, len(faults))
	for i, f := range faults {
		names[i] = f.name
	}
	return names
}

// oftenOutputs is how often outputs are refused, as a multiple of every other fault: nothing else tells so surely what is committed too
// early.
const oftenOutputs = 4

// among are the faults that are asked for. The last is for outputs.
func (o options) among() []fault {
	if o.faults == "" {
		among := faults[: len(faults)-1 : len(faults)-1]
		if o.respond && o.broker == "kfake" {
			among = append(among, slices.Repeat(faults[len(faults)-1:], oftenOutputs)...)
		}
		return among
	}
	names := strings.Split(o.faults, ",")
	return slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return !slices.Contains(names, f.name) })
}

// rage makes a fault every half second to two seconds, for as long as asked.
func (n *nemesis) rage(ctx context.Context) {
	n.done = map[string]int{}
	end := time.Now().Add(n.o.duration)
	among := n.o.among()
	for time.Now().Before(end) && ctx.Err() == nil {
		pause := time.NewTimer(500*time.Millisecond + time.Duration(n.random.Int64N(int64(1500*time.Millisecond))))
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
		n.expire(time.Now())
		n.crew.bury()
		if len(n.crew.members) == 0 { // nothing is found out by faults that nobody notices
			n.make(ctx, faults[0])
			continue // it takes a moment until it takes notice of signals
		}
		n.make(ctx, among[n.random.IntN(len(among))])
	}
}

func (n *nemesis) make(ctx context.Context, f fault) {
	made, err := f.do(n, ctx)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%7.1f s %s: %v\n", time.Since(n.began).Seconds(), f.name, err)
	}
	if made {
		n.done[f.name]++
		fmt.Fprintf(os.Stderr, "%7.1f s %s\n", time.Since(n.began).Seconds(), f.name)
	}
}

// expire ends faults whose time has come.
func (n *nemesis) expire(now time.Time) {
	var rest []undo
	for _, u := range n.later {
		if u.at.After(now) {
			rest = append(rest, u)
			continue
		}
		if err := u.do(); err != nil {
			fmt.Fprintf(os.Stderr, "%7.1f s %v\n", time.Since(n.began).Seconds(), err)
		}
	}
	n.later = rest
}

// heal ends all faults, and leaves enough consumers.
func (n *nemesis) heal(ctx context.Context) error {
	n.expire(time.Now().Add(time.Hour))
	for _, p := range n.c.proxies {
		p.Heal()
	}
	if n.c.apache != nil {
		for _, b := range n.c.apache.Brokers() {
			if err := b.Start(ctx); err != nil {
				return err
			}
		}
	}
	n.crew.bury()
	for len(n.crew.members) < least {
		if err := n.crew.start(); err != nil {
			return err
		}
	}
	return nil
}

// after undoes a fault between two moments.
func (n *nemesis) after(from, to time.Duration, do func() error) {
	n.later = append(n.later, undo{time.Now().Add(from + time.Duration(n.random.Int64N(int64(to-from)))), do})
}

// awake is a consumer that is not frozen, nil when all are.
func (n *nemesis) awake() *member {
	var awake []*member
	for _, m := range n.crew.members {
		if !m.frozen {
			awake = append(awake, m)
		}
	}
	if len(awake) == 0 {
		return nil
	}
	return awake[n.random.IntN(len(awake))]
}

func (n *nemesis) start(context.Context) (bool, error) {
	if len(n.crew.members) >= n.o.members {
		return false, nil
	}
	return true, n.crew.start()
}

func (n *nemesis) terminate(context.Context) (bool, error) {
	m := n.awake()
	if m == nil {
		return false, nil
	}
	stopped := make(chan struct{})
	go func() {
		n.crew.stop(m)
		close(stopped)
	}()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stopped:
			return true, nil
		case now := <-tick.C:
			n.expire(now) // a stop waits for outputs: a broker that is silent meanwhile must not stay so for longer than is meant
		}
	}
}

func (n *nemesis) kill(context.Context) (bool, error) {
	m := n.awake()
	if m == nil {
		return false, nil
	}
	n.crew.kill(m)
	return true, nil
}

// freeze stops a consumer, often for longer than its session lasts: it wakes up as a zombie.
func (n *nemesis) freeze(context.Context) (bool, error) {
	m := n.awake()
	if m == nil {
		return false, nil
	}
	if err := m.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return false, err
	}
	m.frozen = true
	n.after(time.Second, 12*time.Second, func() error {
		m.frozen = false
		return m.cmd.Process.Signal(syscall.SIGCONT)
	})
	return true, nil
}

func (n *nemesis) leader(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	name := topic
	if names := append([]string{topic}, n.o.writtenTo()...); len(names) > 1 {
		name = names[n.random.IntN(len(names))]
	}
	return true, n.c.moveLeader(ctx, name, n.random)
}

func (n *nemesis) coordinator(context.Context) (bool, error) {
	if n.c.fake == nil {
		return false, nil
	}
	n.c.fake.RehashCoordinators()
	return true, nil
}

// broker disturbs one broker of Apache Kafka, when all are well.
func (n *nemesis) broker(ctx context.Context, how string) (bool, error) {
	if n.c.apache == nil {
		return false, nil
	}
	brokers := n.c.apache.Brokers()
	for _, b := range brokers {
		if !b.Running() || b == n.frozen {
			return false, nil
		}
	}
	b := brokers[n.random.IntN(len(brokers))]
	restart := func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		return b.Start(ctx)
	}
	switch how {
	case "stop":
		ending, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		if err := b.Stop(ending); err != nil {
			return true, err
		}
		n.after(time.Second, 5*time.Second, restart)
	case "kill":
		if err := b.Kill(); err != nil {
			return true, err
		}
		n.after(time.Second, 5*time.Second, restart)
	default:
		if err := b.Freeze(); err != nil {
			return true, err
		}
		n.frozen = b
		n.after(time.Second, 10*time.Second, func() error {
			n.frozen = nil
			return b.Thaw()
		})
	}
	return true, nil
}

func (n *nemesis) proxy() *proxy.Proxy { return n.c.proxies[n.random.IntN(len(n.c.proxies))] }

func (n *nemesis) latency(context.Context) (bool, error) {
	p := n.proxy()
	p.Delay(50*time.Millisecond + time.Duration(n.random.Int64N(int64(200*time.Millisecond))))
	n.after(2*time.Second, 8*time.Second, func() error { p.Delay(0); return nil })
	return true, nil
}

func (n *nemesis) blackhole(context.Context) (bool, error) {
	p := n.proxy()
	p.Swallow()
	n.after(time.Second, 10*time.Second, func() error { p.Heal(); return nil })
	return true, nil
}

func (n *nemesis) reset(context.Context) (bool, error) {
	n.proxy().Reset()
	return true, nil
}

// outputs are refused for a while, as if too few replicas were in sync, when everything else goes well.
func (n *nemesis) outputs(context.Context) (bool, error) {
	if n.c.fake == nil || !n.o.respond {
		return false, nil
	}
	refused := make([]kfake.Fault, 0, len(answeredTo()))
	for _, name := range answeredTo() {
		refused = append(refused, kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: name, Err: kerr.NotEnoughReplicas, Count: -1})
	}
	fault := n.c.fake.Fault(refused...)
	n.after(2*time.Second, 5*time.Second, func() error { fault.Remove(); return nil })
	return true, nil
}

// partitions are added three times at most.
func (n *nemesis) partitions(ctx context.Context) (bool, error) {
	if n.grown >= 3 { //nolint:mnd // as said
		return false, nil
	}
	n.grown++
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	return true, n.c.grow(ctx, 1+n.random.IntN(3))
}
