// Package kafka runs Apache Kafka for tests and for trying things out: one broker or several, in KRaft mode, on free ports of the
// loopback interface, with the jars of Maven Central. It needs Java 17 or later, and Maven for the first run. Data is in a temporary
// folder, and goes with Close.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Options of a cluster; the zero value is one broker that anybody may use.
type Options struct {
	// Brokers is 1 when it is 0. With three or more, topics have three replicas and need two in sync.
	Brokers int
	// TLS adds a listener with certificates of an authority made for the cluster.
	TLS bool
	// Users adds a listener with SASL (SCRAM-SHA-256 and 512, without TLS) for these users and their passwords.
	Users map[string]string
	// ACLs denies users what no ACL allows. Who comes without SASL may do everything.
	ACLs bool
	// Config is added to the brokers' properties.
	Config map[string]string
	// Front returns the address that broker i (from 0) tells clients for its address of the plain listener: that of a proxy, for
	// instance. Nil tells its own.
	Front func(i int, address string) (string, error)
	// Dir keeps logs and data; empty for a temporary folder that Close removes.
	Dir string
}

// Cluster is running.
type Cluster struct {
	opts      Options
	dir       string
	temporary bool
	jars      string
	id        string
	brokers   []*Broker
	authority *authority
}

// startTimeout is how long a cluster may take to answer.
const startTimeout = 2 * time.Minute

// Start returns when every broker answers. ctx bounds the start, and not the cluster's life.
func Start(ctx context.Context, o Options) (c *Cluster, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	o.Brokers = max(o.Brokers, 1)
	c = &Cluster{opts: o, dir: o.Dir, id: "a2FyYWZnby1hcGFjaGUtMQ"}
	if c.jars, err = jars(ctx); err != nil {
		return nil, err
	}
	if c.dir == "" {
		if c.dir, err = os.MkdirTemp("", "karafgo-kafka-"); err != nil {
			return nil, fmt.Errorf("make a folder: %w", err)
		}
		c.temporary = true
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if o.TLS {
		if c.authority, err = newAuthority(c.dir); err != nil {
			return nil, err
		}
	}
	for i := range o.Brokers {
		b := &Broker{c: c, id: i + 1, dir: filepath.Join(c.dir, fmt.Sprintf("broker-%d", i+1))}
		if err := b.place(); err != nil {
			return nil, err
		}
		c.brokers = append(c.brokers, b)
	}
	if err := c.each(func(b *Broker) error { return b.prepare(ctx) }); err != nil {
		return nil, err
	}
	if err := c.each(func(b *Broker) error { return b.launch() }); err != nil {
		return nil, err
	}
	err = c.each(func(b *Broker) error { return b.Ready(ctx) })
	return c, err
}

// each does something with all brokers at once.
func (c *Cluster) each(do func(*Broker) error) error {
	errs := make([]error, len(c.brokers))
	var all sync.WaitGroup
	for i, b := range c.brokers {
		all.Go(func() { errs[i] = do(b) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// Addrs are the addresses that clients begin with, of the plain listener.
func (c *Cluster) Addrs() []string { return c.addrs(func(b *Broker) string { return b.front }) }

// TLSAddrs are those of the listener with TLS.
func (c *Cluster) TLSAddrs() []string { return c.addrs(func(b *Broker) string { return b.tls }) }

// SASLAddrs are those of the listener with SASL.
func (c *Cluster) SASLAddrs() []string { return c.addrs(func(b *Broker) string { return b.sasl }) }

// CAFile is the certificate of the authority that signed those of the brokers.
func (c *Cluster) CAFile() string { return c.authority.file }

func (c *Cluster) addrs(of func(*Broker) string) []string {
	all := make([]string, len(c.brokers))
	for i, b := range c.brokers {
		all[i] = of(b)
	}
	return all
}

// Brokers are in the order of their ids, which begin with 1.
func (c *Cluster) Brokers() []*Broker { return c.brokers }

// Dir has the brokers' data, and their logs as broker-<id>/kafka.log.
func (c *Cluster) Dir() string { return c.dir }

// Close kills the brokers that run, and removes the temporary folder.
func (c *Cluster) Close() error {
	err := c.each(func(b *Broker) error { return b.Kill() })
	if c.temporary {
		err = errors.Join(err, os.RemoveAll(c.dir))
	}
	return err
}

// Ports of brokers are below those that systems give to outgoing connections (from 32768 on Linux, 49152 elsewhere): a broker listens
// seconds after its port was chosen, and again after a restart.
const (
	firstPort = 15_000
	lastPort  = 32_000
)

// freeAddress finds a port that nobody uses now.
func freeAddress() (string, error) {
	var err error
	for range 100 { // more than that are not taken by accident
		var l net.Listener
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort))
		if l, err = net.Listen("tcp", address); err == nil { //nolint:noctx // at once
			return address, l.Close() //nolint:wrapcheck // it does not fail
		}
	}
	return "", fmt.Errorf("find a free port: %w", err)
}

// answers reports whether the broker at an address is registered and serves.
func answers(ctx context.Context, address string, id int) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.DisableClientMetrics(), kgo.RetryTimeout(time.Second))
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	defer cl.Close()
	meta, err := kadm.NewClient(cl).BrokerMetadata(ctx)
	if err != nil {
		return fmt.Errorf("ask for the brokers: %w", err)
	}
	for _, b := range meta.Brokers {
		if int(b.NodeID) == id {
			return nil
		}
	}
	return fmt.Errorf("broker %d is not registered yet", id)
}

func properties(p [][2]string) string {
	var b strings.Builder
	for _, kv := range p {
		fmt.Fprintf(&b, "%s=%s\n", kv[0], strings.ReplaceAll(kv[1], "\n", " \\\n"))
	}
	return b.String()
}
