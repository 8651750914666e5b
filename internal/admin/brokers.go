package admin

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Broker is a broker of the cluster, by the address that it gives to clients.
type Broker struct {
	ID      int32
	Address string
	// Version is a guess from what it can do, such as "Kafka 4.1".
	Version string
	// Consumers is true when it knows the protocol of KIP-848.
	Consumers bool
	// Err is why it does not answer at its address.
	Err error

	major, minor int
}

// Before reports whether it is known to be older than a version.
func (b Broker) Before(major, minor int) bool {
	return b.major > 0 && (b.major < major || b.major == major && b.minor < minor)
}

var version = regexp.MustCompile(`^(at least )?v(\d+)\.(\d+)$`)

// Brokers asks every broker of the cluster.
func (c *Cluster) Brokers(ctx context.Context) ([]Broker, error) {
	listed, err := c.admin.ListBrokers(ctx)
	if err != nil {
		return nil, fmt.Errorf("list brokers: %w", err)
	}
	versions, err := c.admin.ApiVersions(ctx)
	if err != nil && len(versions) == 0 {
		return nil, fmt.Errorf("ask the brokers for their versions: %w", err)
	}
	brokers := make([]Broker, 0, len(listed))
	for _, d := range listed {
		b := Broker{ID: d.NodeID, Address: net.JoinHostPort(d.Host, strconv.Itoa(int(d.Port)))}
		v, ok := versions[d.NodeID]
		switch {
		case !ok:
			b.Err = errUnanswered
		case v.Err != nil:
			b.Err = v.Err
		default:
			b.Version = "a version of its own" // the embedded broker, and services that are like Kafka
			if m := version.FindStringSubmatch(v.VersionGuess()); m != nil {
				b.major, _ = strconv.Atoi(m[2])
				b.minor, _ = strconv.Atoi(m[3])
				b.Version = "Kafka " + m[2] + "." + m[3]
				if m[1] != "" {
					b.Version += " or newer"
				}
			}
			_, b.Consumers = v.KeyMaxVersion(int16(kmsg.ConsumerGroupHeartbeat))
		}
		brokers = append(brokers, b)
	}
	return brokers, nil
}
