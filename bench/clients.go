package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sys/unix"

	"github.com/karafgo/karafgo/callbacks"
	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/engine"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/internal/metrics"
	"github.com/karafgo/karafgo/middleware"
	"github.com/karafgo/karafgo/router"
)

// pin keeps a process to one processor, where there are two: the broker on the last, clients on the first.
func pin(cpu int) {
	if runtime.NumCPU() < 2 {
		return
	}
	var set unix.CPUSet
	set.Set(cpu)
	_ = unix.SchedSetaffinity(0, &set) // without it the numbers are noisier
}

// broker serves preloaded records until standard input ends.
func broker(records int) error {
	pin(runtime.NumCPU() - 1)
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topic))
	if err != nil {
		return err
	}
	defer fake.Close()
	cl, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.RoundRobinPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(100_000))
	if err != nil {
		return err
	}
	value := []byte(strings.Repeat("v", valueSize))
	var failed atomic.Pointer[error]
	for range records {
		cl.Produce(context.Background(), &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				failed.Store(&err)
			}
		})
	}
	if err := cl.Flush(context.Background()); err != nil {
		return err
	}
	if err := failed.Load(); err != nil {
		return *err
	}
	cl.Close()
	fmt.Println(fake.ListenAddrs()[0])
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func cpuSeconds() (float64, float64) {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(u.Utime) + seconds(u.Stime), float64(u.Maxrss) / 1024
}

// client consumes everything and prints a sample.
func client(name, addr string, records int, profile string) error {
	pin(0)
	runtime.GOMAXPROCS(1)
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	group := name + "-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	cpu0, _ := cpuSeconds()
	start := time.Now()
	var err error
	if name == raw {
		err = rawKgo(addr, group, records)
	} else {
		err = karafgo(name, addr, group, records)
	}
	if err != nil {
		return err
	}
	wall := time.Since(start).Seconds()
	cpu1, rss := cpuSeconds()
	runtime.ReadMemStats(&m1)
	return json.NewEncoder(os.Stdout).Encode(sample{
		Client: name, Records: records, Wall: wall, CPU: cpu1 - cpu0, Mallocs: m1.Mallocs - m0.Mallocs, RSS: rss, Touched: touched,
	})
}

// touched keeps the compiler from dropping what handlers do: they look at the value's length and at the offset.
var touched int64

// rawKgo is the loop that a program with the plain client writes: poll, look at each record, mark, commit in the background and at the
// end.
func rawKgo(addr, group string, records int) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.AutoCommitMarks(), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(500*time.Millisecond),
		kgo.DisableClientMetrics())
	if err != nil {
		return err
	}
	ctx := context.Background()
	for n := 0; n < records; {
		fetches := cl.PollRecords(ctx, 10_000)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			for _, r := range p.Records {
				touched += int64(len(r.Value)) + r.Offset
			}
			if len(p.Records) > 0 {
				cl.MarkCommitRecords(p.Records[len(p.Records)-1])
			}
			n += len(p.Records)
		})
	}
	if err := cl.CommitMarkedOffsets(ctx); err != nil {
		return err
	}
	cl.Close()
	return nil
}

// karafgo runs the engine as framework does, with metrics on.
func karafgo(name, addr, group string, records int) error {
	cfg := config.Default()
	cfg.Kafka.Brokers = []string{addr}
	var handled atomic.Int64
	done := make(chan struct{})
	count := callbacks.ListenerFunc(func(_ context.Context, ev callbacks.Event) {
		if e, ok := ev.(callbacks.Handled); ok && handled.Add(int64(e.Count)) == int64(records) {
			close(done)
		}
	})
	settings := engine.Configure(cfg)
	settings.Connect = kafka.New(cfg, nil)
	settings.Inline = []callbacks.Listener{metrics.New(nil), count}
	table, err := router.Draw(func(r *router.Router) {
		if name == "karafgo-each-middleware" {
			r.Use(middleware.Log())
		}
		r.Group(group, func(g *router.Group) {
			if name == "karafgo-batch" {
				g.Topic(topic).Batch(consumer.BatchHandlerFunc(func(_ context.Context, b *consumer.Batch) error {
					for _, m := range b.All() {
						touched += int64(len(m.Value)) + m.Offset
					}
					return nil
				}), 500, time.Second)
				return
			}
			g.Topic(topic).Each(consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
				touched += int64(len(m.Value)) + m.Offset
				return nil
			}))
		})
	})
	if err != nil {
		return err
	}
	e := engine.New(table, settings)
	if err := e.Start(context.Background()); err != nil {
		return err
	}
	<-done
	return e.Stop(context.Background())
}
