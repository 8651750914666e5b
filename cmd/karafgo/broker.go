package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/karafgo/karafgo/devbroker"
	"github.com/karafgo/karafgo/internal/command"
)

const (
	defaultListen = "127.0.0.1:9092"
	// defaultPartitions is what topics have for which nobody says it: enough to see several, few enough to read about each.
	defaultPartitions = 3
)

// address is --listen.
type address string

// port is the port of the address; 0 means any.
func (a address) port() (int, error) {
	host, port, err := net.SplitHostPort(string(a))
	if err != nil && !strings.Contains(string(a), ":") {
		port, err = string(a), nil
	}
	n, perr := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil, perr != nil:
		return 0, fmt.Errorf("--listen %s: want host:port, such as %s, or port 0 for any that is free", a, defaultListen)
	case !slices.Contains([]string{"", "127.0.0.1", "localhost"}, host):
		return 0, fmt.Errorf("--listen %s: the embedded broker has no passwords and listens on this machine only: want 127.0.0.1:%d", a, n)
	default:
		return int(n), nil
	}
}

// wrongTopics is what --topics wants.
const wrongTopics = "--topics %s: want names and numbers of partitions, such as orders:6,payments:3"

// topicsOf reads a:6,b:3; a topic without a number has as many partitions as others have for which nobody says it.
func topicsOf(list []string, partitions int) ([]devbroker.Option, []string, error) {
	var opts []devbroker.Option
	var said []string
	for _, item := range list {
		name, number, given := strings.Cut(item, ":")
		n := partitions
		if given {
			var err error
			if n, err = strconv.Atoi(number); err != nil {
				return nil, nil, fmt.Errorf(wrongTopics, item)
			}
		}
		if name == "" {
			return nil, nil, fmt.Errorf(wrongTopics, item)
		}
		opts = append(opts, devbroker.Topic(name, n))
		said = append(said, fmt.Sprintf("%s:%d", name, n))
	}
	return opts, said, nil
}

type brokerCommand struct {
	listen     string
	dir        string
	topics     []string
	partitions int
	brokers    int
}

func (c *cli) broker() *cobra.Command {
	var b brokerCommand
	cmd := &cobra.Command{
		Use: "broker", Short: "Run the embedded broker until Ctrl-C", GroupID: groupRun, Args: cobra.NoArgs,
		Long: "Run the embedded broker until Ctrl-C. It speaks Kafka's protocol to any client\n" +
			"of this machine, whatever its language. Topics are made when a producer first\n" +
			"names them, as with Apache Kafka's defaults.\n\n" +
			"Without --data-dir everything is in memory and forgotten. With it, topics,\n" +
			"records, groups and offsets are kept in that folder, also when the broker is\n" +
			"killed; when the machine loses power, what was written last may be lost.",
		RunE: func(*cobra.Command, []string) error { return c.runBroker(b) },
	}
	flags := cmd.Flags()
	flags.StringVar(&b.listen, "listen", defaultListen, "host:port; further brokers take the ports after it, port 0 any free one")
	flags.StringVar(&b.dir, "data-dir", "", "keep everything in this folder (default in memory)")
	flags.StringSliceVar(&b.topics, "topics", nil, "topics to make, with their partitions, such as a:6,b:3")
	flags.IntVar(&b.partitions, "partitions", defaultPartitions, "partitions of topics for which nobody says it")
	flags.IntVar(&b.brokers, "brokers", 1, "how many brokers the cluster has")
	return cmd
}

func (c *cli) runBroker(b brokerCommand) error {
	port, err := address(b.listen).port()
	if err != nil {
		return err
	}
	topics, said, err := topicsOf(b.topics, b.partitions)
	if err != nil {
		return err
	}
	opts := slices.Concat(topics, []devbroker.Option{
		devbroker.Port(port), devbroker.Brokers(b.brokers), devbroker.AutoCreate(), devbroker.DefaultPartitions(b.partitions),
		devbroker.Complaints(func(what string) { fmt.Fprintln(c.err, "broker:", what) }),
	})
	if b.dir != "" {
		opts = append(opts, devbroker.DataDir(b.dir))
	}
	return command.WithSignals(func(ctx, _ context.Context) error {
		broker, err := devbroker.Start(opts...)
		if err != nil {
			return explainBroker(err, b.listen)
		}
		defer broker.Close()
		c.introduce(broker.Addrs(), b.dir, said)
		<-ctx.Done()
		broker.Close()
		if b.dir != "" {
			fmt.Fprintf(c.out, "stopped; %s has everything\n", b.dir)
		} else {
			fmt.Fprintln(c.out, "stopped, everything is forgotten")
		}
		return nil
	})
}

// introduce says where the broker is and how to talk to it.
func (c *cli) introduce(addrs []string, dir string, topics []string) {
	where := "in memory, forgotten at the end"
	if dir != "" {
		where = "kept in " + dir
	}
	fmt.Fprintf(c.out, "listening on %s; %s\n", strings.Join(addrs, ","), where)
	topic := "greetings"
	if len(topics) > 0 {
		fmt.Fprintln(c.out, "topics", strings.Join(topics, ", "))
		topic, _, _ = strings.Cut(topics[0], ":")
	}
	at := addrs[0]
	if at == defaultListen {
		fmt.Fprintln(c.out, "\nPrograms of karafgo find it here without a setting. kcat talks to it too:")
	} else {
		fmt.Fprintf(c.out, "\nPrograms of karafgo find it with --brokers %s. kcat talks to it too:\n", at)
	}
	fmt.Fprintf(c.out, "  kcat -b %s -L\n", at)
	fmt.Fprintf(c.out, "  echo 'ada:hello' | kcat -b %s -P -t %s -K :\n", at, topic)
	fmt.Fprintf(c.out, "  kcat -b %s -C -t %s -e\n", at, topic)
	fmt.Fprintln(c.out, "Ctrl-C stops it.")
}

// explainBroker adds the remedy to what is in the way of a broker.
func explainBroker(err error, listen string) error {
	if taken(err) {
		return fmt.Errorf("--listen %s: another program listens there, perhaps a broker: stop it, or take any free port with "+
			"--listen 127.0.0.1:0", listen)
	}
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w: choose a port above 1023, or another --data-dir", err)
	}
	return err
}

func taken(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }
