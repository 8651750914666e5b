// Command run runs Apache Kafka until it is told to stop: make kafka, make kafka-3.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/karafgo/karafgo/tools/kafka"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "kafka:", err)
		os.Exit(1)
	}
}

func run() error {
	var o kafka.Options
	users := users{}
	flag.IntVar(&o.Brokers, "brokers", 1, "how many brokers")
	flag.BoolVar(&o.TLS, "tls", false, "add a listener with TLS")
	flag.Var(users, "user", "NAME:PASSWORD; adds a listener with SASL/SCRAM for this user, and may be given again")
	o.Config = properties{}
	flag.Var(properties(o.Config), "config", "NAME=VALUE of a property of the brokers, and may be given again")
	flag.BoolVar(&o.ACLs, "acls", false, "deny users what no ACL allows; who comes without SASL may do everything")
	flag.StringVar(&o.Dir, "dir", "", "keep data and logs in this folder; empty for a temporary one that is removed")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "usage: run [flags] [-- command]\n\n"+
			"Runs Apache Kafka on free ports of the loopback interface until Ctrl-C, or for as long as the command runs, which finds the\n"+
			"brokers in KARAFGO_TEST_BROKERS.\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	o.Users = users
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	started := time.Now()
	c, err := kafka.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	fmt.Fprintf(os.Stderr, "Apache Kafka answers after %s; data and logs are in %s\n", time.Since(started).Round(time.Millisecond), c.Dir())
	fmt.Println("brokers:", strings.Join(c.Addrs(), ","))
	if o.TLS {
		fmt.Printf("with TLS: %s (kafka.tls.ca_file: %s)\n", strings.Join(c.TLSAddrs(), ","), c.CAFile())
	}
	if len(users) > 0 {
		fmt.Println("with SASL/SCRAM:", strings.Join(c.SASLAddrs(), ","))
	}
	if flag.NArg() == 0 {
		<-ctx.Done()
		return nil
	}
	cmd := exec.CommandContext(ctx, flag.Arg(0), flag.Args()[1:]...) //nolint:gosec // what the user asks for
	cmd.Env = append(os.Environ(), "KARAFGO_TEST_BROKERS="+strings.Join(c.Addrs(), ","))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

type properties map[string]string

func (p properties) String() string { return "" }

// Set implements flag.Value.
func (p properties) Set(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return fmt.Errorf("%q: write NAME=VALUE", text)
	}
	p[name] = value
	return nil
}

type users map[string]string

func (u users) String() string { return "" }

// Set implements flag.Value.
func (u users) Set(text string) error {
	name, password, ok := strings.Cut(text, ":")
	if !ok || name == "" || password == "" {
		return fmt.Errorf("%q: write NAME:PASSWORD", text)
	}
	u[name] = password
	return nil
}
