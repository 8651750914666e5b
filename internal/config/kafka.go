package config

import "time"

// What to do about drawn topics that do not exist.
const (
	MissingFail   = "fail"
	MissingWarn   = "warn"
	MissingCreate = "create"
)

// Kafka is the way to the cluster: where it is, how it is spoken to and how long an answer may take.
type Kafka struct {
	// Brokers are the addresses to find the cluster through, as host:port, or host alone for port
	// 9092. Any broker will do, the others are learned from it; two or three survive the loss of one.
	// Kafka: bootstrap.servers. Defaults to localhost:9092.
	Brokers []string `yaml:"brokers"`
	// ClientID is the name that brokers log, measure and set quotas by, at most 256 bytes. Kafka:
	// client.id. Defaults to karafgo.
	ClientID string `yaml:"client_id"`
	// Rack is where this process is, as brokers name it in broker.rack. Consumers then fetch from a
	// replica in their rack where the cluster allows it (KIP-392), and range and sticky balancers keep
	// partitions in it (KIP-881). Kafka: client.rack. Defaults to empty, unknown.
	Rack string `yaml:"rack"`
	// TLS encrypts the connections to the brokers and can prove who this process is.
	TLS TLS `yaml:"tls"`
	// SASL proves to the brokers who this process is, by a name and a secret or by a token.
	SASL SASL `yaml:"sasl"`
	// DialTimeout is how long opening one connection may take, TLS included. Kafka:
	// socket.connection.setup.timeout.ms (KIP-601). Defaults to 10s.
	DialTimeout time.Duration `yaml:"dial_timeout"`
	// RequestTimeout is how long a broker may take to answer, on top of the time that the request
	// itself asks it to wait, 100ms to 15m. When it has passed, the connection is closed and the
	// request tried again. Kafka: request.timeout.ms (KIP-19). Defaults to 10s.
	RequestTimeout time.Duration `yaml:"request_timeout"`
	// BootTimeout is how long the start waits for the first answer of any broker, trying again all the
	// while, before it fails with the cause. A cause that no waiting heals, such as a wrong password or
	// certificate authority, fails it at once. 0s waits for ever. Defaults to 10s.
	BootTimeout time.Duration `yaml:"boot_timeout"`
	// MetadataMaxAge is how old the view of topics, partitions and leaders may get, 100ms to 1h. New
	// partitions, and new topics that a pattern matches, are seen after this time at the latest.
	// Kafka: metadata.max.age.ms. Defaults to 1m.
	MetadataMaxAge time.Duration `yaml:"metadata_max_age"`

	// MissingTopics is what to do at boot when a drawn topic does not exist, one that is consumed or
	// written to: fail; warn, and consume it as soon as it is created; or create it, as it is declared
	// or by the cluster's defaults. Defaults to fail.
	MissingTopics string `yaml:"missing_topics"`
}
