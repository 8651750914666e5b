package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Broker is one process of a cluster. Its methods are for one goroutine at a time.
type Broker struct {
	c   *Cluster
	id  int
	dir string

	plain, front, tls, sasl, internal, controller string

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// ID is the broker's node id.
func (b *Broker) ID() int32 { return int32(b.id) }

// Addr is what clients are told of the plain listener.
func (b *Broker) Addr() string { return b.front }

// place finds addresses.
func (b *Broker) place() (err error) {
	for _, address := range []*string{&b.plain, &b.internal, &b.controller, &b.tls, &b.sasl} {
		if *address, err = freeAddress(); err != nil {
			return err
		}
	}
	b.front = b.plain
	if b.c.opts.Front != nil {
		if b.front, err = b.c.opts.Front(b.id-1, b.plain); err != nil {
			return fmt.Errorf("front of broker %d: %w", b.id, err)
		}
	}
	return nil
}

// replicas is the most that topics have.
const replicas = 3

func (b *Broker) config() (string, error) {
	o := b.c.opts
	copies := strconv.Itoa(min(len(b.c.brokers), replicas))
	inSync := strconv.Itoa(max(min(len(b.c.brokers), replicas)-1, 1))
	var voters []string
	for _, other := range b.c.brokers {
		voters = append(voters, fmt.Sprintf("%d@%s", other.id, other.controller))
	}
	listeners := []string{"PLAINTEXT://" + b.plain, "INTERNAL://" + b.internal, "CONTROLLER://" + b.controller}
	advertised := []string{"PLAINTEXT://" + b.front, "INTERNAL://" + b.internal}
	protocols := []string{"PLAINTEXT:PLAINTEXT", "INTERNAL:PLAINTEXT", "CONTROLLER:PLAINTEXT"}
	p := [][2]string{
		{"process.roles", "broker,controller"},
		{"node.id", strconv.Itoa(b.id)},
		{"controller.quorum.voters", strings.Join(voters, ",")},
		{"controller.listener.names", "CONTROLLER"},
		{"inter.broker.listener.name", "INTERNAL"},
		{"log.dirs", filepath.Join(b.dir, "data")},
		{"offsets.topic.replication.factor", copies},
		{"offsets.topic.num.partitions", "5"},
		{"transaction.state.log.replication.factor", copies},
		{"transaction.state.log.min.isr", inSync},
		{"transaction.state.log.num.partitions", "5"},
		{"share.coordinator.state.topic.replication.factor", copies},
		{"share.coordinator.state.topic.min.isr", inSync},
		{"default.replication.factor", copies},
		{"min.insync.replicas", inSync},
		{"auto.create.topics.enable", "false"},
		// Tests do not wait for members that might still come, and may have short sessions.
		{"group.initial.rebalance.delay.ms", "0"},
		{"group.min.session.timeout.ms", "1000"},
		{"group.consumer.min.session.timeout.ms", "1000"},
		{"group.consumer.session.timeout.ms", "6000"},
		{"group.consumer.min.heartbeat.interval.ms", "100"},
		{"group.consumer.heartbeat.interval.ms", "500"},
		{"broker.session.timeout.ms", "6000"},
	}
	if o.TLS {
		listeners = append(listeners, "TLS://"+b.tls)
		advertised = append(advertised, "TLS://"+b.tls)
		protocols = append(protocols, "TLS:SSL")
		store, err := b.c.authority.issue(b.dir)
		if err != nil {
			return "", err
		}
		p = append(p, [2]string{"listener.name.tls.ssl.keystore.type", "PEM"}, [2]string{"listener.name.tls.ssl.keystore.location", store})
	}
	if len(o.Users) > 0 {
		listeners = append(listeners, "SASL://"+b.sasl)
		advertised = append(advertised, "SASL://"+b.sasl)
		protocols = append(protocols, "SASL:SASL_PLAINTEXT")
		login := "org.apache.kafka.common.security.scram.ScramLoginModule required;"
		p = append(p, [2]string{"sasl.enabled.mechanisms", "SCRAM-SHA-256,SCRAM-SHA-512"},
			[2]string{"listener.name.sasl.scram-sha-256.sasl.jaas.config", login},
			[2]string{"listener.name.sasl.scram-sha-512.sasl.jaas.config", login})
	}
	if o.ACLs {
		p = append(p, [2]string{"authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"},
			[2]string{"super.users", "User:ANONYMOUS"})
	}
	p = append(p, [2]string{"listeners", strings.Join(listeners, ",")}, [2]string{"advertised.listeners", strings.Join(advertised, ",")},
		[2]string{"listener.security.protocol.map", strings.Join(protocols, ",")})
	for _, key := range slices.Sorted(maps.Keys(o.Config)) {
		p = append(p, [2]string{key, o.Config[key]})
	}
	return properties(p), nil
}

// prepare writes the configuration and formats the storage.
func (b *Broker) prepare(ctx context.Context) error {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	text, err := b.config()
	if err != nil {
		return err
	}
	if err := os.WriteFile(b.file("server.properties"), []byte(text), 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	if err := os.WriteFile(b.file("log4j2.yaml"), []byte(logging), 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	args := []string{
		"kafka.tools.StorageTool", "format", "--cluster-id", b.c.id, "--config", b.file("server.properties"), "--ignore-formatted",
	}
	for _, user := range slices.Sorted(maps.Keys(b.c.opts.Users)) {
		for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
			args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, user, b.c.opts.Users[user]))
		}
	}
	if out, err := b.java(ctx, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("format the storage of broker %d: %w\n%s", b.id, err, out)
	}
	return nil
}

// logging writes warnings to standard output, which is kafka.log.
const logging = `Configuration:
  Appenders:
    Console:
      name: STDOUT
      PatternLayout:
        pattern: "[%d] %p %m (%c)%n"
  Loggers:
    Root:
      level: INFO
      AppenderRef:
        - ref: STDOUT
`

func (b *Broker) file(name string) string { return filepath.Join(b.dir, name) }

// java starts quickly rather than running fast.
func (b *Broker) java(ctx context.Context, args ...string) *exec.Cmd {
	all := append([]string{
		"-Xmx512m", "-Xms128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto",
		"-Dlog4j2.configurationFile=" + b.file("log4j2.yaml"),
		"-cp", filepath.Join(b.c.jars, "*"),
	}, args...)
	return exec.CommandContext(ctx, "java", all...) //nolint:gosec // our own arguments
}

func (b *Broker) launch() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	log, err := os.OpenFile(b.file("kafka.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	cmd := b.java(context.Background(), "kafka.Kafka", b.file("server.properties"))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = own()
	if err := cmd.Start(); err != nil {
		_ = log.Close()
		return fmt.Errorf("start broker %d: %w", b.id, err)
	}
	done := make(chan struct{})
	b.cmd, b.done = cmd, done
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		_ = log.Close()
		close(done)
	}()
	return nil
}

// Start starts a broker that was stopped or killed, with the data that it had, and returns when it answers.
func (b *Broker) Start(ctx context.Context) error {
	if b.Running() {
		return nil
	}
	if err := b.launch(); err != nil {
		return err
	}
	return b.Ready(ctx)
}

// askAgain is how often Ready asks.
const askAgain = 100 * time.Millisecond

// Ready returns when the broker answers and is part of its cluster.
func (b *Broker) Ready(ctx context.Context) error {
	again := time.NewTicker(askAgain)
	defer again.Stop()
	for {
		err := answers(ctx, b.plain, b.id)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-b.done:
			return fmt.Errorf("broker %d has ended:\n%s", b.id, b.tail())
		case <-ctx.Done():
			return fmt.Errorf("broker %d does not answer: %w\n%s", b.id, err, b.tail())
		}
	}
}

// tail is the end of the log.
func (b *Broker) tail() string {
	const lines = 15
	data, _ := os.ReadFile(b.file("kafka.log")) // it is for an error that is told anyway
	all := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(all[max(len(all)-lines, 0):], "\n")
}

// Running reports whether the process is there; one that is frozen is.
func (b *Broker) Running() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cmd == nil {
		return false
	}
	select {
	case <-b.done:
		return false
	default:
		return true
	}
}

// Stop lets the broker give its leaderships away and end (SIGTERM). One that takes longer than ctx is killed.
func (b *Broker) Stop(ctx context.Context) error {
	if err := b.signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-b.done:
		return nil
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("broker %d does not stop: %w", b.id, ctx.Err()), b.Kill())
	}
}

// Kill ends it at once (SIGKILL).
func (b *Broker) Kill() error {
	if !b.Running() {
		return nil
	}
	if err := b.signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-b.done
	return nil
}

// Freeze stops the process where it is (SIGSTOP); its connections stay open.
func (b *Broker) Freeze() error { return b.signal(syscall.SIGSTOP) }

// Thaw lets it go on (SIGCONT).
func (b *Broker) Thaw() error { return b.signal(syscall.SIGCONT) }

func (b *Broker) signal(s syscall.Signal) error {
	if !b.Running() {
		return fmt.Errorf("broker %d does not run", b.id)
	}
	if err := b.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal broker %d: %w", b.id, err)
	}
	return nil
}
