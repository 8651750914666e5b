package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/framework"
	"github.com/karafgo/karafgo/router"
)

// line is one entry of a journal. The producer's say what the cluster has, the consumers' what they have handled, or could not. Times are
// Unix nanoseconds.
type line struct {
	Time      int64  `json:"t"` // the record's, or when it was handled
	Began     int64  `json:"b,omitempty"`
	Due       int64  `json:"d,omitempty"` // of a record in a retry topic
	Failed    int    `json:"f,omitempty"` // the attempt that failed, 0 for success
	Member    string `json:"m"`
	Epoch     int    `json:"e,omitempty"`
	Topic     string `json:"w"`
	Partition int32  `json:"p"`
	Offset    int64  `json:"o"`
	Key       string `json:"k"`
	Seq       int64  `json:"s"`
}

// journal is a file that has what was written, also after its process is killed.
type journal struct {
	mu   sync.Mutex
	file *os.File
}

func openJournal(name string) (*journal, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // where the ledger wants it
	if err != nil {
		return nil, err
	}
	return &journal{file: f}, nil
}

func (j *journal) write(l line, durable bool) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	j.mu.Lock()
	_, err = j.file.Write(append(text, '\n'))
	j.mu.Unlock()
	if err == nil && durable {
		err = j.file.Sync()
	}
	return err
}

const keys = 500

// produce writes records until its standard input ends: produce BROKERS JOURNAL RATE.
func produce(ctx context.Context, args []string) error {
	rate, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	j, err := openJournal(args[1])
	if err != nil {
		return err
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(args[0], ",")...), kgo.DefaultProduceTopic(topic),
		kgo.MetadataMinAge(100*time.Millisecond), kgo.MetadataMaxAge(time.Second), kgo.ProducerLinger(5*time.Millisecond),
		kgo.MaxBufferedRecords(50_000))
	if err != nil {
		return err
	}
	ending := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(ending)
	}()
	const slice = 20 * time.Millisecond
	tick := time.NewTicker(slice)
	defer tick.Stop()
	var bad atomic.Pointer[error]
	failed := func() error {
		if err := bad.Load(); err != nil {
			return *err
		}
		return nil
	}
	for seq := int64(0); ; {
		select {
		case <-tick.C:
		case <-ending:
			if err := cl.Flush(context.Background()); err != nil {
				return err
			}
			cl.Close()
			return failed()
		}
		for range max(rate/int(time.Second/slice), 1) {
			seq++
			n := seq
			key := fmt.Sprintf("k%d", rand.IntN(keys))
			value := binary.BigEndian.AppendUint64(nil, uint64(n))
			cl.Produce(ctx, &kgo.Record{Key: []byte(key), Value: value}, func(r *kgo.Record, err error) {
				if err != nil {
					return // not acknowledged: nothing is promised of it
				}
				if err := j.write(line{
					Time: r.Timestamp.UnixNano(), Member: "producer", Topic: topic,
					Partition: r.Partition, Offset: r.Offset, Key: key, Seq: n,
				}, false); err != nil {
					bad.Store(&err)
				}
			})
		}
	}
}

// atOnce is how many handlers of a process run at once by key, and slow how long some of them take.
const (
	atOnce    = 32
	slow      = 200 * time.Millisecond
	slowEvery = 1009
)

// number is that of a record.
func number(value []byte) int64 { return int64(binary.BigEndian.Uint64(value)) }

// consume handles records until it is told to stop: consume NAME BROKERS JOURNAL MODES ID. MODES are those of
// the flags -by-key, -failing, -respond and -exactly-once that are set; ID is for transactions, and may be empty.
func consume(ctx context.Context, args []string) error {
	name, modes := args[0], strings.Split(args[3], ",")
	byKey, failing := slices.Contains(modes, modeByKey), slices.Contains(modes, modeFailing)
	j, err := openJournal(args[2])
	if err != nil {
		return err
	}
	cfg := framework.DefaultConfig()
	cfg.Kafka.Brokers = strings.Split(args[1], ",")
	cfg.Kafka.ClientID = name
	cfg.Kafka.MetadataMaxAge = 2 * time.Second
	cfg.Kafka.BootTimeout = time.Minute
	cfg.Group.SessionTimeout = 6 * time.Second
	cfg.Group.HeartbeatInterval = 500 * time.Millisecond
	cfg.Group.RebalanceTimeout = 20 * time.Second
	cfg.Group.Drain = 5 * time.Second
	cfg.Commit.Interval = time.Second
	cfg.Producer.DeliveryTimeout = 2 * time.Minute // longer than any fault: an output that is given up is a failure, and no record's fate
	cfg.Producer.TransactionalID = args[4]
	cfg.Producer.TransactionTimeout = 10 * time.Second // some faults last longer
	cfg.HTTP.Listen = ""
	cfg.Log.Level = "info"
	cfg.Log.Format = "json"
	var handle consumer.Handler = consumer.HandlerFunc(func(_ context.Context, m *consumer.Message) error {
		seq := number(m.Value)
		l := line{
			Began: time.Now().UnixNano(), Due: due(m.Record), Member: name, Epoch: m.Assigned().Epoch(),
			Topic: m.Topic, Partition: m.Record.Partition, Offset: m.Offset, Key: string(m.Key), Seq: seq,
		}
		if (byKey || failing) && seq%slowEvery == 0 {
			<-time.After(slow)
		}
		failure := fateOf(seq, failing).fail(stageOf(m.Topic), m.Attempt())
		if failure != nil {
			l.Failed = m.Attempt()
		}
		l.Time = time.Now().UnixNano()
		if err := j.write(l, failure == nil); err != nil {
			return err
		}
		return failure
	})
	if slices.Contains(modes, modeRespond) {
		handle = responding(handle)
	}
	err = framework.Run(ctx, cfg, framework.Routes(func(r *router.Router) {
		r.Group(group, func(g *router.Group) {
			if slices.Contains(modes, modeExactly) {
				g.ExactlyOnce()
			}
			route := g.Topic(topic).Each(handle)
			if byKey {
				route.Concurrency(atOnce, router.ByKey)
			}
			if failing {
				route.OnFailure(steps()...)
			}
		})
	}))
	if start := (*framework.StartError)(nil); errors.As(err, &start) && ctx.Err() != nil {
		return nil //nolint:nilerr // it was told to stop before it had started, and has consumed nothing
	}
	return err
}

// entries reads a journal. The last line may be cut off, where its writer was killed.
func entries(name string) (lines []line, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	s := bufio.NewScanner(f)
	for s.Scan() {
		var l line
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			continue
		}
		lines = append(lines, l)
	}
	return lines, s.Err()
}
