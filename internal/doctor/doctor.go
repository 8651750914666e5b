package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/karafgo/karafgo/internal/admin"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/router"
)

// Result is how something was found.
type Result string

// The results.
const (
	// OK needs nothing.
	OK Result = "ok"
	// Warn lets the program run.
	Warn Result = "warn"
	// Fail keeps it from running.
	Fail Result = "fail"
)

// What the program itself is about; the rest is of the cluster.
const (
	WhatConfiguration = "configuration"
	WhatRoutes        = "routes"
)

// Finding is what was found of one thing.
type Finding struct {
	// What is looked at: configuration, routes, broker, security, version, topic, group, transactions.
	What string `json:"check"`
	// Name is that of the broker, topic or group; empty where there is one only.
	Name   string `json:"name,omitempty"`
	Result Result `json:"result"`
	// Text says what was found.
	Text string `json:"text"`
	// Remedy says what to do about it; empty for OK.
	Remedy string `json:"remedy,omitempty"`
}

// Failed is what an error says of something, with its remedy apart where it has one.
func Failed(what, name string, err error) Finding {
	f := Finding{What: what, Name: name, Result: Fail, Text: err.Error()}
	if refused, ok := errors.AsType[*kafka.RefusedError](err); ok {
		f.Text, f.Remedy = refused.Err.Error(), refused.Remedy
	}
	return f
}

// Examination is of one program and one cluster.
type Examination struct {
	Config  config.Config
	Cluster *kafka.Cluster
	Routes  *router.Table
	// Tell is called with every finding, as soon as it is there.
	Tell func(Finding)
}

// Run looks at everything, and tells. It ends early when no broker answers, or when ctx does.
func (e *Examination) Run(ctx context.Context) error {
	if !e.brokers(ctx) {
		return ctx.Err() //nolint:wrapcheck // a signal
	}
	opts, err := e.Cluster.Options()
	if err != nil {
		return err //nolint:wrapcheck // it names the option
	}
	a, err := admin.Open(opts...)
	if err != nil {
		return err //nolint:wrapcheck // it says what
	}
	defer a.Close()
	e.security()
	for _, look := range []func(context.Context, *admin.Cluster) error{e.versions, e.topicsAndGroups} {
		asking, cancel := context.WithTimeout(ctx, e.patience())
		err := look(asking, a)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// patience is for how long one step may take.
func (e *Examination) patience() time.Duration {
	if t := e.Config.Kafka.BootTimeout; t > 0 {
		return t
	}
	return config.Default().Kafka.BootTimeout
}

// brokers looks at each of kafka.brokers, and reports whether one answers.
func (e *Examination) brokers(ctx context.Context) bool {
	names := e.Config.Kafka.Brokers
	results := make([]chan error, len(names))
	for i, name := range names {
		results[i] = make(chan error, 1)
		go func() { results[i] <- e.Cluster.Only(name).Reach(ctx) }()
	}
	answers := 0
	errs := make([]error, len(names))
	for i := range names {
		if errs[i] = <-results[i]; errs[i] == nil {
			answers++
		}
	}
	for i, name := range names {
		f := Finding{What: "broker", Name: name, Result: OK, Text: "answers"}
		if errs[i] != nil {
			f = Failed("broker", name, errs[i])
			f.Text = strings.TrimPrefix(f.Text, "brokers "+name+": ")
			if answers > 0 {
				f.Result = Warn // any of them will do
			}
		}
		e.Tell(f)
	}
	return answers > 0
}

// security says how brokers know this process, and who can listen.
func (e *Examination) security() {
	f := Finding{What: "security", Result: OK}
	encrypted := e.Config.Kafka.TLS.Enabled
	mechanism, user := e.Cluster.Authentication()
	switch {
	case mechanism == "" && encrypted && e.Config.Kafka.TLS.CertFile != "":
		f.Text = "TLS, with a certificate of this process"
	case mechanism == "" && encrypted:
		f.Text = "TLS, nobody authenticates"
	case mechanism == "":
		f.Text = "nothing is encrypted, nobody authenticates"
	default:
		f.Text = mechanism
		if user != "" {
			f.Text += " as " + user
		}
		if encrypted {
			f.Text += ", over TLS"
			break
		}
		f.Text += ", not encrypted"
		if mechanism == "PLAIN" || mechanism == "OAUTHBEARER" {
			f.Result = Warn
			f.Text += ": whoever listens learns the secret"
			f.Remedy = "set kafka.tls.enabled to true, and use the brokers' SASL_SSL port"
		}
	}
	e.Tell(f)
}

// consumerProtocol reports whether a group joins by KIP-848.
func (e *Examination) consumerProtocol() bool {
	wanted := e.Config.Group.Protocol == config.Consumer
	for _, g := range e.Config.Groups {
		wanted = wanted || g.Group.Protocol == config.Consumer
	}
	return wanted
}

// versions looks at every broker of the cluster, by the address that it gives.
func (e *Examination) versions(ctx context.Context, a *admin.Cluster) error {
	brokers, err := a.Brokers(ctx)
	if err != nil {
		e.Tell(Failed("version", "", err))
		return nil
	}
	for _, b := range brokers {
		name := fmt.Sprintf("broker %d", b.ID)
		f := Finding{What: "version", Name: name, Result: OK, Text: fmt.Sprintf("%s, at %s", b.Version, b.Address)}
		switch {
		case b.Err != nil:
			f.Result = Fail
			f.Text = fmt.Sprintf("says that it is at %s, and does not answer there: %s", b.Address, b.Err)
			f.Remedy = "give the broker an address in advertised.listeners that this process can reach"
		case !e.consumerProtocol():
		case !b.Consumers:
			f.Result = Fail
			f.Text += " does not know group.protocol consumer (KIP-848)"
			f.Remedy = "update it to Kafka 4.3, or set group.protocol to classic"
		case b.Before(4, 3): //nolint:mnd // see group.protocol
			f.Result = Warn
			f.Text += " delivers needlessly again after rebalances by group.protocol consumer (KIP-848)"
			f.Remedy = "update it to Kafka 4.3, or set group.protocol to classic"
		}
		e.Tell(f)
	}
	if len(e.Config.Kafka.Brokers) == 1 && len(brokers) > 1 {
		e.Tell(Finding{
			What: WhatConfiguration, Name: "kafka.brokers", Result: Warn,
			Text:   "has one broker of a cluster of several: while it is away, nothing starts",
			Remedy: "name two or three",
		})
	}
	return nil
}
