package kafka

import (
	"context"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/karafgo/karafgo/internal/config"
)

const (
	// clientShare is the part of fetch.max_buffered_bytes that the client may hold, as a divisor; queues have the rest.
	clientShare = 4
	// concurrentFetches is how many brokers may answer at once. Together with the size of an answer it bounds what the client
	// buffers.
	concurrentFetches = 8
	// newestMetadata is the least age at which the client asks for metadata again; its own default of 5 s makes a deleted or
	// grown topic visible late.
	newestMetadata = 100 * time.Millisecond
)

// Dial connects to a broker.
type Dial func(ctx context.Context, network, host string) (net.Conn, error)

// base are the options of every client.
func (c *Cluster) base() ([]kgo.Opt, error) {
	k := c.cfg.Kafka
	opts := []kgo.Opt{
		kgo.SeedBrokers(k.Brokers...),
		kgo.ClientID(k.ClientID),
		kgo.SoftwareNameAndVersion("karafgo", "0"),
		kgo.RequestTimeoutOverhead(k.RequestTimeout),
		kgo.MetadataMaxAge(k.MetadataMaxAge),
		kgo.MetadataMinAge(min(newestMetadata, k.MetadataMaxAge)),
		kgo.DisableClientMetrics(),
	}
	if k.Rack != "" {
		opts = append(opts, kgo.Rack(k.Rack))
	}
	if c.logger != nil {
		opts = append(opts, kgo.WithLogger(c.logger))
	}
	switch {
	case c.dial != nil:
		opts = append(opts, kgo.Dialer(c.dial))
	case k.TLS.Enabled:
		certs, err := newCertificates(k.TLS, c.logger)
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.Dialer(secureDial(certs, k.DialTimeout)))
	default:
		opts = append(opts, kgo.DialTimeout(k.DialTimeout))
	}
	if m := c.mechanism(); m != nil {
		opts = append(opts, kgo.SASL(m))
	}
	return opts, nil
}

func (c *Cluster) consumerOptions(g Group, gc config.GroupConfig) []kgo.Opt {
	quarter := int64(gc.Fetch.MaxBufferedBytes) / clientShare
	partition := int64(gc.Fetch.MaxPartitionBytes)
	answer := answerBytes(gc.Fetch)
	fetches := max(int(quarter/answer), 1)
	opts := []kgo.Opt{
		kgo.ConsumerGroup(g.ID),
		kgo.ConsumeTopics(g.Topics...),
		kgo.DisableAutoCommit(),
		kgo.KeepControlRecords(),
		kgo.KeepRetryableFetchErrors(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.MaxDecompressBatchBytes(int(min(max(quarter, partition), 1<<30))),
		kgo.FetchMinBytes(int32(gc.Fetch.MinBytes)),
		kgo.FetchMaxWait(gc.Fetch.MaxWait), //
		kgo.FetchMaxBytes(int32(min(answer, 1<<30))),
		kgo.FetchMaxPartitionBytes(int32(min(partition, answer, 1<<30))),
		kgo.MaxConcurrentFetches(min(fetches, concurrentFetches)), //
		kgo.RebalanceTimeout(gc.Group.RebalanceTimeout),           //
		kgo.BrokerMaxReadBytes(int32(min(max(2*answer, 100<<20), 1<<31-1))),
	}
	switch {
	case g.InTransactions:
		opts = append(opts, inTransactions()...)
	case gc.Fetch.Isolation == config.ReadCommitted:
		opts = append(opts, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	if gc.Group.Protocol == config.Consumer {
		opts = append(opts, kgo.ServerSideBalancer(), kgo.Balancers(serverSide(gc.Group.Balancers)))
	} else {
		opts = append(opts, kgo.SessionTimeout(gc.Group.SessionTimeout), kgo.HeartbeatInterval(gc.Group.HeartbeatInterval))
		if len(c.balancers) > 0 {
			opts = append(opts, kgo.Balancers(c.balancers...))
		} else {
			opts = append(opts, kgo.Balancers(balancers(gc.Group.Balancers)...))
		}
	}
	if gc.Group.InstanceID != "" {
		opts = append(opts, kgo.InstanceID(gc.Group.InstanceID))
	}
	return opts
}

// answerBytes is what one fetch may return: at least one partition's share, at most what concurrent answers leave of the client's
// quarter.
func answerBytes(f config.Fetch) int64 {
	const most = 1 << 30 // the protocol's sizes are int32
	quarter := int64(f.MaxBufferedBytes) / clientShare
	return min(max(quarter/concurrentFetches, min(int64(f.MaxPartitionBytes), quarter)), most)
}

func balancers(names []string) []kgo.GroupBalancer {
	known := map[string]func() kgo.GroupBalancer{
		config.CooperativeSticky: kgo.CooperativeStickyBalancer,
		config.Sticky:            kgo.StickyBalancer,
		config.Range:             kgo.RangeBalancer,
		config.RoundRobin:        kgo.RoundRobinBalancer,
	}
	all := make([]kgo.GroupBalancer, 0, len(names))
	for _, n := range names {
		all = append(all, known[n]())
	}
	return all
}

// serverSide is how kgo is told the strategy of the broker (KIP-848): range, or sticky for uniform.
func serverSide(names []string) kgo.GroupBalancer {
	if len(names) > 0 && names[0] == config.Range {
		return kgo.RangeBalancer()
	}
	return kgo.StickyBalancer()
}

// producerOptions are those of what the process sends on behalf of records: acknowledged by all replicas in sync, whatever producer.acks
// says.
func (c *Cluster) producerOptions() []kgo.Opt {
	p := c.cfg.Producer
	codecs := map[string]kgo.CompressionCodec{
		config.NoCompression: kgo.NoCompression(),
		config.Gzip:          kgo.GzipCompression(),
		config.Snappy:        kgo.SnappyCompression(),
		config.LZ4:           kgo.Lz4Compression(),
		config.Zstd:          kgo.ZstdCompression(),
	}
	opts := []kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(codecs[p.Compression], kgo.NoCompression()),
		kgo.ProducerLinger(p.Linger),
		kgo.RecordDeliveryTimeout(p.DeliveryTimeout),
		kgo.MaxBufferedRecords(p.MaxBufferedRecords),
		kgo.UnknownTopicRetries(1),
		kgo.RecordPartitioner(c.newPartitioner()),
	}
	if p.MaxBufferedBytes > 0 {
		opts = append(opts, kgo.MaxBufferedBytes(int(p.MaxBufferedBytes)))
	}
	return opts
}
