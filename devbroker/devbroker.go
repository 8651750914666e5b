package devbroker

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

type settings struct {
	topics     []kfake.Opt
	port       int
	brokers    int
	autoCreate bool
	errs       []error
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

// Topic makes a topic.
func Topic(name string, partitions int) Option {
	return func(s *settings) {
		if name == "" || partitions < 1 || partitions > mostPartitions {
			s.errs = append(s.errs, fmt.Errorf("topic %q with %d partitions: want a name and 1 to %d", name, partitions, mostPartitions))
			return
		}
		s.topics = append(s.topics, kfake.SeedTopics(int32(partitions), name))
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

// AutoCreate creates topics, of 10 partitions, when a client that allows it first asks for them. Defaults to refusing unknown topics.
func AutoCreate() Option { return func(s *settings) { s.autoCreate = true } }

// leastSession lets tests have short sessions; the broker's own limit is 6 s, as Kafka's.
const leastSession = 100 * time.Millisecond

// Broker is a running broker.
type Broker struct {
	cluster *kfake.Cluster
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
	all := append([]kfake.Opt{kfake.NumBrokers(s.brokers), kfake.GroupMinSessionTimeout(leastSession)}, s.topics...)
	if s.autoCreate {
		all = append(all, kfake.AllowAutoTopicCreation())
	}
	if s.port > 0 {
		ports := make([]int, s.brokers)
		for i := range ports {
			ports[i] = s.port + i
		}
		all = append(all, kfake.Ports(ports...))
	}
	cluster, err := kfake.NewCluster(all...)
	if errors.Is(err, syscall.EADDRINUSE) && s.port > 0 {
		return nil, fmt.Errorf("start embedded broker: %w: choose another with Port, or leave it out for a free one", err)
	}
	if err != nil {
		return nil, fmt.Errorf("start embedded broker: %w", err)
	}
	return &Broker{cluster: cluster}, nil
}

// Addrs returns host:port of every broker, to give to clients as their brokers.
func (b *Broker) Addrs() []string { return b.cluster.ListenAddrs() }

// Close stops the broker and forgets what it holds. Closing twice is harmless.
func (b *Broker) Close() { b.cluster.Close() }
