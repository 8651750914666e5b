package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/karafgo/karafgo/internal/config"
)

// Options are those of a client that produces and asks.
func (c *Cluster) Options() ([]kgo.Opt, error) {
	opts, err := c.base()
	if err != nil {
		return nil, err
	}
	return append(opts, c.producerOptions()...), nil
}

type producer struct {
	*kgo.Client

	admin   *kadm.Client
	cluster *Cluster
	single  *single
	by      *delivery
}

const (
	// pingAgain is the pause before the brokers are asked again. It doubles up to pingAgainMost.
	pingAgain     = 250 * time.Millisecond
	pingAgainMost = 2 * time.Second
	// pingMargin is what the client has to say why nothing answered, after the time for it is up.
	pingMargin = 100 * time.Millisecond
)

// Ping asks until a broker answers, one refuses for a reason that no waiting heals, or ctx ends. Its error names the brokers and what they
// said last.
func (p *producer) Ping(ctx context.Context) error {
	var last error
	for pause := pingAgain; ; pause = min(2*pause, pingAgainMost) {
		err := ask(ctx, p.Client)
		if err == nil {
			return p.checkVersion(ctx)
		}
		if ctx.Err() == nil || last == nil || !errors.Is(err, ctx.Err()) {
			last = err
		}
		final, explained := p.cluster.explain(last)
		if final {
			return fmt.Errorf("brokers %s: %w", p.cluster.names(), explained)
		}
		select {
		case <-time.After(pause):
			continue
		case <-ctx.Done():
		}
		if explained == last && errors.Is(last, ctx.Err()) { //nolint:errorlint // the very same
			return fmt.Errorf("brokers %s: nothing answered in time; check kafka.brokers and whether they listen there: %w",
				p.cluster.names(), last)
		}
		return fmt.Errorf("brokers %s: %w", p.cluster.names(), explained)
	}
}

// checkVersion refuses what the client would otherwise leave out in silence: it joins by the classic protocol where a broker is too old.
func (p *producer) checkVersion(ctx context.Context) error {
	wanted := p.cluster.cfg.Group.Protocol == config.Consumer
	for _, g := range p.cluster.cfg.Groups {
		wanted = wanted || g.Group.Protocol == config.Consumer
	}
	if !wanted {
		return nil
	}
	brokers, err := p.admin.ApiVersions(ctx)
	if err != nil {
		return fmt.Errorf("ask the brokers for their versions: %w", err)
	}
	for _, b := range brokers {
		if _, ok := b.KeyMaxVersion(int16(kmsg.ConsumerGroupHeartbeat)); !ok && b.Err == nil {
			return fmt.Errorf("broker %d is %s: group.protocol consumer (KIP-848) needs Kafka 4.0 or newer, or set it to classic",
				b.NodeID, b.VersionGuess())
		}
	}
	return nil
}

// Reach asks once whether a broker answers, and takes at most kafka.dial_timeout for each of kafka.brokers. Its error names them, and says
// what is wrong and what to do.
func (c *Cluster) Reach(ctx context.Context) error {
	opts, err := c.Options()
	if err != nil {
		return err
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return fmt.Errorf("configure client: %w", err)
	}
	defer cl.Close()
	asking, cancel := context.WithTimeout(ctx, time.Duration(len(c.cfg.Kafka.Brokers))*c.cfg.Kafka.DialTimeout)
	defer cancel()
	err = ask(asking, cl)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if _, explained := c.explain(err); explained != err { //nolint:errorlint // the very same
		return fmt.Errorf("brokers %s: %w", c.names(), explained)
	}
	return fmt.Errorf("brokers %s: %w", c.names(), &RefusedError{
		Remedy: "nothing answers; check kafka.brokers and whether they listen there", Err: err,
	})
}

func (c *Cluster) names() string { return strings.Join(c.cfg.Kafka.Brokers, ", ") }

// ask returns when ctx ends, which the client alone does not: it waits for a broker that accepts a connection and then says nothing.
func ask(ctx context.Context, cl *kgo.Client) error {
	answered := make(chan error, 1)
	go func() { answered <- cl.Ping(ctx) }()
	select {
	case err := <-answered:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-answered:
		return err
	case <-time.After(pingMargin):
		return ctx.Err()
	}
}

// Produce implements Producer.
func (p *producer) Produce(ctx context.Context, _ Source, r *kgo.Record, promise func(*kgo.Record, error)) {
	p.by.produce(ctx, p.Client.Produce, r, promise)
}

// ProduceAlone implements Producer.
func (p *producer) ProduceAlone(ctx context.Context, _ Source, r *kgo.Record, promise func(*kgo.Record, error)) {
	p.single.produce(ctx, r, promise)
}

// senders are those between which Room divides what there is.
const senders = 256

// small is the most that a record for which Room says that there is some may have in bytes.
const small = 4 << 10

// IsSmall tells whether what Room says holds for a record.
func IsSmall(r *kgo.Record) bool {
	n := len(r.Key) + len(r.Value)
	for i := range r.Headers {
		n += len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return n <= small
}

// Room implements Producer.
func (p *producer) Room() int {
	most := p.cluster.cfg.Producer
	free := int64(most.MaxBufferedRecords) - p.BufferedProduceRecords()
	if most.MaxBufferedBytes > 0 {
		free = min(free, (int64(most.MaxBufferedBytes)-p.BufferedProduceBytes())/small)
	}
	return int(max(free, 0) / senders)
}

// Flush implements Producer.
func (p *producer) Flush(ctx context.Context) error {
	if err := p.Client.Flush(ctx); err != nil { // whose answers may have records sent alone
		return err
	}
	return p.single.flush(ctx)
}

// Close implements Producer.
func (p *producer) Close() {
	p.single.close()
	p.Client.Close()
	p.by.close()
}

func (p *producer) Topics(ctx context.Context, topics ...string) (map[string]Topic, error) {
	details, err := p.admin.ListTopics(ctx, topics...)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	found := map[string]Topic{}
	for name, d := range details {
		if errors.Is(d.Err, kerr.UnknownTopicOrPartition) {
			continue
		}
		t := Topic{ID: d.ID, Err: d.Err}
		for id := range d.Partitions {
			t.Partitions = append(t.Partitions, id)
		}
		found[name] = t
	}
	return found, nil
}

// CreateTopics implements Producer.
func (p *producer) CreateTopics(ctx context.Context, topics []TopicSpec) error {
	var errs []error
	for _, t := range topics {
		if err := CreateTopic(ctx, p.admin, t); err != nil {
			errs = append(errs, fmt.Errorf("topic %q: %w", t.Name, err))
		}
	}
	return errors.Join(errs...)
}

// CreateTopic makes a topic, if it does not exist.
func CreateTopic(ctx context.Context, admin *kadm.Client, t TopicSpec) error {
	orDefault := func(n int) int {
		if n == 0 {
			return -1
		}
		return n
	}
	configs := map[string]*string{}
	for name, value := range t.Config {
		configs[name] = &value
	}
	resp, err := admin.CreateTopic(ctx, int32(orDefault(t.Partitions)), int16(orDefault(t.Replication)), configs, t.Name)
	if err == nil || errors.Is(err, kerr.TopicAlreadyExists) { // another process was quicker
		return nil
	}
	return WithMessage(err, resp.ErrMessage)
}

// WithMessage adds to an error what the broker said beside its code, if anything.
func WithMessage(err error, message string) error {
	if err == nil || message == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, message)
}
