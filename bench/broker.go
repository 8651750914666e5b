package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sys/unix"

	"github.com/karafgo/karafgo/bench/internal/work"
)

// brokerArg makes this program the broker.
const brokerArg = "broker"

// pinLast keeps the broker, and what feeds it, off the clients' processor.
func pinLast() {
	if n := runtime.NumCPU(); n > 1 {
		var set unix.CPUSet
		set.Set(n - 1)
		_ = unix.SchedSetaffinity(0, &set) // without it the numbers are noisier
	}
}

// serveBroker is the embedded broker, until standard input ends.
func serveBroker() error {
	pinLast()
	fake, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		return err
	}
	defer fake.Close()
	fmt.Println(fake.ListenAddrs()[0])
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// startBroker starts it in a process of its own.
func startBroker() (brokers []string, stop func(), err error) {
	cmd := exec.Command(os.Args[0], brokerArg) //nolint:gosec,noctx // itself
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	}
	lines := bufio.NewScanner(stdout)
	if !lines.Scan() {
		stop()
		return nil, nil, fmt.Errorf("the broker did not start: %w", lines.Err())
	}
	return []string{lines.Text()}, stop, nil
}

// stage is the cluster with the topics of one work.
type stage struct {
	brokers []string
	topics  []string
	ends    []int64
	client  *kgo.Client
	admin   *kadm.Client
	stop    func()
}

const adminTimeout = time.Minute

// setStage makes topics and fills them.
func setStage(w workload, cluster string, percent int) (s *stage, err error) {
	s = &stage{stop: func() {}}
	if cluster != "" {
		s.brokers = strings.Split(cluster, ",")
	} else if s.brokers, s.stop, err = startBroker(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	compression := kgo.NoCompression()
	if w.Zstd {
		compression = kgo.ZstdCompression()
	}
	s.client, err = kgo.NewClient(kgo.SeedBrokers(s.brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(compression), kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(100_000),
		kgo.ProducerBatchMaxBytes(batchBytes(w)))
	if err != nil {
		return nil, err
	}
	s.admin = kadm.NewClient(s.client)
	stamp := time.Now().UnixNano()
	for i := range max(w.Topics, 1) {
		s.topics = append(s.topics, fmt.Sprintf("bench-%s-%d-%d", w.Name, stamp, i))
	}
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	made, err := s.admin.CreateTopics(ctx, int32(w.Partitions), -1, nil, s.topics...)
	if err != nil {
		return nil, err
	}
	if err := made.Error(); err != nil {
		return nil, err
	}
	s.spread(w, percent)
	if w.Handler != work.Produce {
		err = s.fill(w)
	}
	return s, err
}

// spread sets how many records every partition has: all the same.
func (s *stage) spread(w workload, percent int) {
	each := w.Records * percent / 100 / (len(s.topics) * w.Partitions)
	if w.Records > 0 {
		each = max(each, 1)
	}
	s.ends = make([]int64, w.Partitions)
	for i := range s.ends {
		s.ends[i] = int64(each)
	}
}

// inBatch is how many records of one partition come in a row, and make a batch.
const inBatch = 500

// batchBytes is how much so many records are. Without that bound a batch is whatever is there when the linger is over, up to franz-go's
// 1 MB: how large depends on the machine, and so does what a fetch brings.
func batchBytes(w workload) int32 {
	const batch, record = 61, 10 // bytes of the protocol around each
	n := record + len(payloads(w)()) + len(keysOf(w)())
	for _, h := range headersOf(w) {
		n += 2 + len(h.Key) + len(h.Value) //nolint:mnd // two lengths
	}
	return int32(batch + inBatch*n)
}

func headersOf(w workload) (headers []kgo.RecordHeader) {
	for i := range w.Headers {
		headers = append(headers, kgo.RecordHeader{Key: fmt.Sprintf("header-%d", i), Value: []byte("0123456789")})
	}
	return headers
}

// fill makes the records.
func (s *stage) fill(w workload) error {
	each := int(s.ends[0])
	var failed atomic.Pointer[error]
	promise := func(_ *kgo.Record, err error) {
		if err != nil {
			failed.CompareAndSwap(nil, &err)
		}
	}
	value, key, headers := payloads(w), keysOf(w), headersOf(w)
	for from := 0; from < each; from += inBatch {
		for _, t := range s.topics {
			for p := range w.Partitions {
				for i := range min(inBatch, each-from) {
					v := value()
					if w.writes() {
						v = slices.Clone(v)
						work.Number(v, p, int64(from+i))
					}
					s.client.Produce(context.Background(), &kgo.Record{
						Topic: t, Partition: int32(p), Key: key(), Value: v, Headers: headers,
					}, promise)
				}
			}
		}
	}
	if err := s.client.Flush(context.Background()); err != nil {
		return err
	}
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// keysOf returns what makes the next key.
func keysOf(w workload) func() []byte {
	if w.Keys == 0 {
		return func() []byte { return nil }
	}
	random := rand.New(rand.NewPCG(3, 4)) //nolint:mnd // the same in every run
	return func() []byte { return fmt.Appendf(nil, "key-%06d", random.IntN(w.Keys)) }
}

// payloads returns what makes the next value: orders, or hexadecimal digits, which compress to about a half.
func payloads(w workload) func() []byte {
	if !w.Orders {
		random := rand.New(rand.NewPCG(1, 2)) //nolint:mnd // the same in every run
		pool := make([]byte, 1<<20)           //nolint:mnd // enough not to repeat within a batch
		for i := range pool {
			pool[i] = "0123456789abcdef"[random.IntN(16)] //nolint:mnd // of these
		}
		return func() []byte {
			at := random.IntN(len(pool) - w.Size)
			return pool[at : at+w.Size]
		}
	}
	value, _ := json.Marshal(work.Order{ //nolint:errchkjson // these types cannot fail
		ID: "o-4711", Customer: "c-42", Amount: 129.95,
		Lines: []work.Line{
			{SKU: "sku-1", Quantity: 1}, {SKU: "sku-2", Quantity: 2}, {SKU: "sku-3", Quantity: 3}, {SKU: "sku-4", Quantity: 4},
		},
	})
	return func() []byte { return value }
}

// feed produces a record into every partition in every interval, until stop.
func (s *stage) feed(every time.Duration) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			for p := range s.ends {
				value := binary.BigEndian.AppendUint64(nil, uint64(time.Now().UnixNano()))
				s.client.TryProduce(context.Background(), &kgo.Record{Topic: s.topics[0], Partition: int32(p), Value: value}, nil)
			}
			_ = s.client.Flush(context.Background()) // now, and not when it lingered
		}
	}()
	return func() { close(quit); <-done }
}

func (s *stage) close() {
	if s.admin != nil && len(s.topics) > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
		_, _ = s.admin.DeleteTopics(ctx, s.topics...) // the embedded broker forgets them anyway
		cancel()
	}
	if s.client != nil {
		s.client.Close()
	}
	s.stop()
}

// without lowers the ends by the records of a key, which are never handled.
func (s *stage) without(key string) error {
	at := map[string]map[int32]kgo.Offset{}
	for _, t := range s.topics {
		at[t] = map[int32]kgo.Offset{}
		for p := range s.ends {
			at[t][int32(p)] = kgo.NewOffset().AtStart()
		}
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.brokers...), kgo.ConsumePartitions(at))
	if err != nil {
		return err
	}
	defer cl.Close()
	left := int64(0)
	for _, end := range s.ends {
		left += end * int64(len(s.topics))
	}
	ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
	defer cancel()
	for left > 0 && ctx.Err() == nil {
		cl.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
			left--
			if string(r.Key) == key {
				s.ends[r.Partition]--
			}
		})
	}
	return ctx.Err()
}
