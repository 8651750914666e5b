package devbroker

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type settings struct {
	topics     []topic
	port       int
	brokers    int
	partitions int
	autoCreate bool
	dir        string
	complain   func(string)
	errs       []error
}

type topic struct {
	name       string
	partitions int32
}

// Option configures a broker.
type Option func(*settings)

// Topics makes topics: partitions by name.
func Topics(partitions map[string]int32) Option {
	return func(s *settings) {
		for _, name := range slices.Sorted(maps.Keys(partitions)) {
			Topic(name, int(partitions[name]))(s)
		}
	}
}

// Topic makes a topic. One that DataDir has kept stays as it is.
func Topic(name string, partitions int) Option {
	return func(s *settings) {
		if name == "" || partitions < 1 || partitions > mostPartitions {
			s.errs = append(s.errs, fmt.Errorf("topic %q with %d partitions: want a name and 1 to %d", name, partitions, mostPartitions))
			return
		}
		s.topics = append(s.topics, topic{name, int32(partitions)})
	}
}

const (
	mostPartitions = 10_000
	mostBrokers    = 9
	mostPort       = 65_535
)

// Port listens on a fixed port of 127.0.0.1; further brokers listen on the ports after it. Defaults to any free port.
func Port(port int) Option {
	return func(s *settings) {
		if port < 0 || port > mostPort {
			s.errs = append(s.errs, fmt.Errorf("port %d: want 0 to %d", port, mostPort))
		}
		s.port = port
	}
}

// Brokers makes a cluster of n brokers. Defaults to 1.
func Brokers(n int) Option {
	return func(s *settings) {
		if n < 1 || n > mostBrokers {
			s.errs = append(s.errs, fmt.Errorf("%d brokers: want 1 to %d", n, mostBrokers))
		}
		s.brokers = n
	}
}

// AutoCreate creates topics, of DefaultPartitions, when a client that allows it first asks for them. Defaults to refusing unknown topics.
func AutoCreate() Option { return func(s *settings) { s.autoCreate = true } }

// DefaultPartitions is how many partitions a topic has whose creator leaves it to the cluster, as AutoCreate does, and Kafka's
// num.partitions. Defaults to 10.
func DefaultPartitions(n int) Option {
	return func(s *settings) {
		if n < 1 || n > mostPartitions {
			s.errs = append(s.errs, fmt.Errorf("%d partitions: want 1 to %d", n, mostPartitions))
		}
		s.partitions = n
	}
}

// DataDir keeps everything in a folder, which is made where it is missing: topics, records, groups with their offsets, producers and
// transactions. The next broker that is given the folder goes on from there. Records are written when they are acknowledged but not
// forced to the disk: they outlive a process that is killed, not a machine that loses power. A folder has one broker at a time. Defaults to
// memory, which is forgotten.
func DataDir(dir string) Option {
	return func(s *settings) {
		if dir == "" {
			s.errs = append(s.errs, errors.New("DataDir: want a folder"))
		}
		s.dir = dir
	}
}

// Complaints calls fn, one call at a time, with what the broker could not do, such as writing to a full disk. Defaults to nobody.
func Complaints(fn func(what string)) Option { return func(s *settings) { s.complain = fn } }

// leastSession lets tests have short sessions; the broker's own limit is 6 s, as Kafka's.
const leastSession = 100 * time.Millisecond

// Broker is a running broker.
type Broker struct {
	cluster *kfake.Cluster
	dir     io.Closer // the lock of DataDir

	mu     sync.RWMutex // held for reading by what must not outlive the cluster
	closed bool
}

// Start starts a broker. Its error names every wrong option, or the port that is in use.
func Start(opts ...Option) (*Broker, error) {
	s := settings{brokers: 1}
	for _, o := range opts {
		o(&s)
	}
	if err := errors.Join(s.errs...); err != nil {
		return nil, fmt.Errorf("start embedded broker: %w", err)
	}
	if last := s.port + s.brokers - 1; s.port > 0 && last > mostPort {
		return nil, fmt.Errorf("start embedded broker: port %d with %d brokers: the last would be %d, want at most %d",
			s.port, s.brokers, last, mostPort)
	}
	b := &Broker{}
	if s.dir != "" {
		var err error
		if b.dir, err = take(s.dir); err != nil {
			return nil, fmt.Errorf("start embedded broker: %w", err)
		}
	}
	cluster, err := kfake.NewCluster(s.options()...)
	if err != nil {
		b.unlock()
		if errors.Is(err, syscall.EADDRINUSE) && s.port > 0 {
			return nil, fmt.Errorf("start embedded broker: %w: choose another with Port, or leave it out for a free one", err)
		}
		return nil, fmt.Errorf("start embedded broker: %w", err)
	}
	b.cluster = cluster
	if s.autoCreate {
		cluster.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
			cluster.KeepControl()
			b.create(req)
			return nil, errUnanswered, false
		})
	}
	for _, t := range s.topics { // kfake seeds topics of a new folder only
		if err := cluster.CreateTopic(t.name, t.partitions, nil); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			b.Close()
			return nil, fmt.Errorf("start embedded broker: create topic %q: %w", t.name, err)
		}
	}
	return b, nil
}

func (s *settings) options() []kfake.Opt {
	all := []kfake.Opt{kfake.NumBrokers(s.brokers), kfake.GroupMinSessionTimeout(leastSession)}
	if s.partitions > 0 {
		all = append(all, kfake.DefaultNumPartitions(s.partitions))
	}
	if s.dir != "" {
		all = append(all, kfake.DataDir(s.dir))
	}
	if s.complain != nil {
		all = append(all, kfake.WithLogger(&complaints{fn: s.complain}))
	}
	if s.port > 0 {
		ports := make([]int, s.brokers)
		for i := range ports {
			ports[i] = s.port + i
		}
		all = append(all, kfake.Ports(ports...))
	}
	return all
}

// complaints is the fake's log of what goes wrong.
type complaints struct {
	mu sync.Mutex
	fn func(string)
}

// Logf implements kfake.Logger.
func (c *complaints) Logf(level kfake.LogLevel, format string, args ...any) {
	if level > kfake.LogLevelWarn {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fn(fmt.Sprintf(format, args...))
}

// Addrs returns host:port of every broker, to give to clients as their brokers.
func (b *Broker) Addrs() []string { return b.cluster.ListenAddrs() }

var errUnanswered = errors.New("the fake answers")

// create makes the topics that a client asks for and wants to be made; the answer is the fake's. What the fake makes by itself when it is
// asked it writes down only when it is closed: a process that is killed would lose the topic, with its records.
func (b *Broker) create(req kmsg.Request) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	r, ok := req.(*kmsg.MetadataRequest)
	if b.closed || !ok || !r.AllowAutoTopicCreation {
		return
	}
	for _, t := range r.Topics {
		if t.Topic != nil && b.cluster.TopicInfo(*t.Topic) == nil {
			_ = b.cluster.CreateTopic(*t.Topic, -1, nil) // one that cannot be is unknown in the answer
		}
	}
}

// Close stops the broker. What DataDir does not keep is forgotten. Closing twice is harmless.
func (b *Broker) Close() {
	b.mu.Lock()
	again := b.closed
	b.closed = true
	b.mu.Unlock()
	if !again {
		b.cluster.Close()
		b.unlock()
	}
}

func (b *Broker) unlock() {
	if b.dir != nil {
		_ = b.dir.Close() // nothing was written through it
	}
}
