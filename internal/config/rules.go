package config

import (
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"time"
)

const (
	// anyTime is the bound of a duration that only this process keeps.
	anyTime = time.Duration(math.MaxInt64)
	// wireTime is the bound of one that Kafka's protocol carries as an int32 of milliseconds; more
	// would wrap around, to a time that nobody chose.
	wireTime = math.MaxInt32 * time.Millisecond
	// wireBytes is the bound of a size that the protocol carries as an int32.
	wireBytes = Bytes(math.MaxInt32)
	// bufferParts is how many fetches of one partition must fit into the memory of a group: one
	// handled, one queued, one buffered in the client and one on its way.
	bufferParts = 4
)

func (v *validator) kafka(k Kafka) {
	const (
		longestID      = 256 // the client's limit
		leastTimeout   = 100 * time.Millisecond
		longestRequest = 15 * time.Minute
	)

	if len(k.Brokers) == 0 {
		v.report("is empty: write at least one address, such as localhost:9092", "kafka.brokers")
	}

	for _, address := range k.Brokers {
		if wrong := badAddress(address); wrong != "" {
			v.report(fmt.Sprintf("%q is not an address: %s", address, wrong), "kafka.brokers")
		}
	}

	if len(k.ClientID) > longestID {
		v.report(fmt.Sprintf("is longer than %d bytes", longestID), "kafka.client_id")
	}

	v.tls(k.TLS)
	v.sasl(k.SASL)
	if !printable(k.Rack) {
		v.report(fmt.Sprintf("%q holds a character that cannot be printed", k.Rack), "kafka.rack")
	}

	between(v, "kafka.dial_timeout", k.DialTimeout, time.Millisecond, anyTime)
	between(v, "kafka.request_timeout", k.RequestTimeout, leastTimeout, longestRequest)
	between(v, "kafka.boot_timeout", k.BootTimeout, 0, anyTime)
	between(v, "kafka.metadata_max_age", k.MetadataMaxAge, leastTimeout, time.Hour)
	v.oneOf("kafka.missing_topics", k.MissingTopics, MissingFail, MissingWarn, MissingCreate)
}

// shared checks the sections that a group may override.
func (v *validator) shared(g GroupConfig) {
	v.membership(g.Group)
	v.fetch(g.Fetch)

	const leastInterval = 100 * time.Millisecond

	between(v, "commit.interval", g.Commit.Interval, leastInterval, anyTime)
	between(v, "commit.threshold", g.Commit.Threshold, 0, math.MaxInt)
	between(v, "commit.transaction_interval", g.Commit.TransactionInterval, time.Millisecond, wireTime)
}

func (v *validator) fetch(f Fetch) {
	const leastWait = 10 * time.Millisecond

	between(v, "fetch.min_bytes", f.MinBytes, 1, wireBytes)
	between(v, "fetch.max_wait", f.MaxWait, leastWait, wireTime)
	between(v, "fetch.max_partition_bytes", f.MaxPartitionBytes, 1, wireBytes)
	between(v, "fetch.max_buffered_bytes", f.MaxBufferedBytes, 1, math.MaxInt64)
	v.oneOf("fetch.on_gap", f.OnGap, ResumeAfterGap, StopOnGap)
	v.oneOf("fetch.on_unreadable", f.OnUnreadable, BlockOnUnreadable, StopOnUnreadable)
	v.oneOf("fetch.isolation", f.Isolation, ReadUncommitted, ReadCommitted)
	between(v, "fetch.max_poll_records", f.MaxPollRecords, 1, math.MaxInt32)

	buffer := setting{"fetch.max_buffered_bytes", f.MaxBufferedBytes}
	share := f.MaxBufferedBytes / bufferParts

	if f.MinBytes > share {
		v.conflict(setting{"fetch.min_bytes", f.MinBytes}, "is more than a quarter of", buffer, "every fetch waits for max_wait")
	}

	if f.MaxPartitionBytes > share {
		v.conflict(setting{"fetch.max_partition_bytes", f.MaxPartitionBytes}, "is more than a quarter of", buffer,
			"one partition fills the memory of all")
	}
}

func (v *validator) producer(p Producer) {
	const (
		longestLinger = time.Minute
		leastDelivery = time.Second
		leastBuffer   = Bytes(1 << 20)
	)

	v.oneOf("producer.compression", p.Compression, NoCompression, Gzip, Snappy, LZ4, Zstd)
	between(v, "producer.linger", p.Linger, 0, longestLinger)
	between(v, "producer.delivery_timeout", p.DeliveryTimeout, leastDelivery, wireTime)
	between(v, "producer.max_buffered_records", p.MaxBufferedRecords, 1, math.MaxInt32)
	between(v, "producer.max_buffered_bytes", p.MaxBufferedBytes, leastBuffer, math.MaxInt64)
	v.oneOf("producer.on_full", p.OnFull, Wait, Fail)
	v.oneOf("producer.acks", p.Acks, AcksAll, AcksLeader, AcksNone)
	v.oneOf("producer.partitioner", p.Partitioner, Murmur2, CRC32, Random)
	between(v, "producer.transaction_timeout", p.TransactionTimeout, time.Second, wireTime)

	if p.Linger >= p.DeliveryTimeout {
		v.conflict(setting{"producer.linger", p.Linger}, "is not less than",
			setting{"producer.delivery_timeout", p.DeliveryTimeout}, "records expire before they are sent")
	}
}

// process checks the sections that concern the process alone.
func (v *validator) process(c Config) {
	between(v, "concurrency.limit", c.Concurrency.Limit, 0, math.MaxInt32)
	between(v, "shutdown.drain", c.Shutdown.Drain, 0, anyTime)
	between(v, "shutdown.grace", c.Shutdown.Grace, 0, anyTime)

	if c.HTTP.Listen != "" {
		if _, port, err := net.SplitHostPort(c.HTTP.Listen); err != nil || !portNumber(port, 0) {
			v.report(fmt.Sprintf("%q is not an address: write host:port, :port for every interface, or \"\" for no listener",
				c.HTTP.Listen), "http.listen")
		}
	}

	between(v, "http.stuck_after", c.HTTP.StuckAfter, 0, anyTime)
	v.oneOf("log.level", c.Log.Level, LevelDebug, LevelInfo, LevelWarn, LevelError)
	v.oneOf("log.format", c.Log.Format, FormatAuto, FormatJSON, FormatConsole)
}

func (v *validator) topic(name string, t Topic) {
	v.prefix = []string{sectionTopics, name}
	defer func() { v.prefix = nil }()

	if !kafkaName(name) {
		v.reportName(fmt.Sprintf("%q is not the name of a topic: %s", name, nameRule))
	}

	if t.Concurrency != nil {
		between(v, "concurrency", *t.Concurrency, 1, math.MaxInt32)
	}

	if t.BatchSize != nil {
		between(v, "batch_size", *t.BatchSize, 1, math.MaxInt32)
	}

	if t.BatchWait != nil {
		between(v, "batch_wait", *t.BatchWait, 0, anyTime)
	}
}

// group checks what a group runs with.
func (v *validator) group(id string, g GroupConfig) {
	v.prefix = []string{sectionGroups, id}
	defer func() { v.prefix = nil }()

	if id == "" || !printable(id) {
		v.reportName(fmt.Sprintf("%q is not the id of a group: write one of printable characters", id))
	}

	v.shared(g)
}

// badAddress returns what is wrong with the address of a broker.
func badAddress(address string) string {
	if scheme, rest, ok := strings.Cut(address, "://"); ok {
		return fmt.Sprintf("write %s without %s://", rest, scheme)
	}

	host, port, err := net.SplitHostPort(address)
	if err != nil { // no port: the client takes 9092
		host, port = address, "9092"
	}

	if host == "" || strings.ContainsAny(host, " /,@[]") || (err != nil && strings.Contains(host, ":")) || !portNumber(port, 1) {
		return "write host:port, such as localhost:9092"
	}

	return ""
}

func portNumber(port string, least int) bool {
	n, err := strconv.Atoi(port)

	return err == nil && n >= least && n <= math.MaxUint16
}

const nameRule = "write 1 to 249 letters, digits, dots, underscores and hyphens"

// kafkaName holds a name to Kafka's rule for topics, which is also that for instance ids.
func kafkaName(name string) bool {
	const longest = 249

	legal := func(r rune) bool {
		return r == '.' || r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}

	return name != "" && name != "." && name != ".." && len(name) <= longest &&
		!strings.ContainsFunc(name, func(r rune) bool { return !legal(r) })
}
