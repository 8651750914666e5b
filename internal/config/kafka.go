package config

import "time"

// What to do about drawn topics that do not exist.
const (
	MissingFail = "fail"
	MissingWarn = "warn"
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
	// TLS encrypts the connections to the brokers and can prove who this process is.
	TLS TLS `yaml:"tls"`
	// DialTimeout is how long opening one connection may take, TLS included. Kafka:
	// socket.connection.setup.timeout.ms (KIP-601). Defaults to 10s.
	DialTimeout time.Duration `yaml:"dial_timeout"`
	// RequestTimeout is how long a broker may take to answer, on top of the time that the request
	// itself asks it to wait, 100ms to 15m. When it has passed, the connection is closed and the
	// request tried again. Kafka: request.timeout.ms (KIP-19). Defaults to 10s.
	RequestTimeout time.Duration `yaml:"request_timeout"`
	// BootTimeout is how long the start waits for the first answer of any broker before it fails with
	// the cause, such as a wrong address or certificate authority. 0s waits for ever. Defaults to 10s.
	BootTimeout time.Duration `yaml:"boot_timeout"`
	// MetadataMaxAge is how old the view of topics, partitions and leaders may get, 100ms to 1h. New
	// partitions, and new topics that a pattern matches, are seen after this time at the latest.
	// Kafka: metadata.max.age.ms. Defaults to 1m.
	MetadataMaxAge time.Duration `yaml:"metadata_max_age"`

	// MissingTopics is what to do at boot when a drawn topic does not exist: fail, or warn and consume it as soon as it is
	// created. Defaults to fail.
	MissingTopics string `yaml:"missing_topics"`
}

// TLS encrypts the connections to the brokers. Files are in PEM form and read at the start.
type TLS struct {
	// Enabled turns TLS on. The other keys are refused without it, so that nobody believes a
	// connection encrypted that is not. Defaults to false.
	Enabled bool `yaml:"enabled"`
	// CAFile holds the certificate authorities that brokers are checked against, instead of those of
	// the system. Kafka: ssl.truststore.location. Defaults to empty, the system's.
	CAFile string `yaml:"ca_file"`
	// CertFile holds the certificate that this process shows to brokers, with key_file (mutual TLS).
	// Kafka: ssl.keystore.location. Defaults to empty, none.
	CertFile string `yaml:"cert_file"`
	// KeyFile holds the private key of cert_file. Kafka: ssl.keystore.location. Defaults to empty, none.
	KeyFile string `yaml:"key_file"`
	// ServerName is the name that a broker's certificate must carry, when it is not the host name
	// that was dialed. Defaults to empty, the name dialed.
	ServerName string `yaml:"server_name"`
}
