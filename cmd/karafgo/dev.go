package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/karafgo/karafgo/devbroker"
	"github.com/karafgo/karafgo/internal/command"
)

type devCommand struct {
	app        string
	listen     string
	free       bool // any port will do when listen is taken
	partitions int
	noSamples  bool
}

func (c *cli) dev() *cobra.Command {
	var d devCommand
	cmd := &cobra.Command{
		Use: "dev [flags] [-- APP'S FLAGS]", Short: "Run the app on an embedded broker, anew after each change", GroupID: groupRun,
		Long: "Run the app of this folder on an embedded broker. It is built and started anew\n" +
			"when Go files, go.mod or karafgo.yaml change; the old one drains first, as on a\n" +
			"deployment, and when the new one does not compile it goes on. The broker stays,\n" +
			"with its topics, records and offsets, until Ctrl-C.\n\n" +
			"The topics of the routes are made. Each line of testdata/TOPIC.jsonl is sent to\n" +
			"TOPIC when the app has started, and again when the file is saved. Records are\n" +
			"shown when they come to a topic, and how far groups have handled them; of many\n" +
			"at once only the first.\n\n" +
			"For the app these settings are replaced: kafka.brokers, kafka.missing_topics\n" +
			"(create), commit.interval (500ms) and log.format (json). What it embeds, modules\n" +
			"beside this one and tests are not watched.",
		Args: func(cmd *cobra.Command, args []string) error {
			if n := cmd.ArgsLenAtDash(); len(args) > 0 && n != 0 {
				return fmt.Errorf("unexpected argument %q: flags of the app stand behind --", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			d.free = !cmd.Flags().Changed("listen")
			return c.runDev(d, args)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&d.app, "app", "", "program to run: a folder of cmd/, or a path (default the only one)")
	flags.StringVar(&d.listen, "listen", defaultListen, "host:port of the embedded broker (default "+defaultListen+", or a free port)")
	flags.Lookup("listen").DefValue = ""
	flags.IntVar(&d.partitions, "partitions", defaultPartitions, "partitions of topics that nobody declares")
	flags.BoolVar(&d.noSamples, "no-samples", false, "send no records from testdata")
	return cmd
}

func (c *cli) runDev(d devCommand, args []string) error {
	port, err := address(d.listen).port()
	if err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the app: %w", err)
	}
	a, err := findApp(dir, d.app)
	if err != nil {
		return err
	}
	s := &session{console: newConsole(c.out, c.operator), app: a, args: args, samples: !d.noSamples}
	return command.WithSignals(func(ctx, forced context.Context) error {
		ctx, hungUp := signal.NotifyContext(ctx, hangups()...)
		defer hungUp()
		broker, err := s.startBroker(d, port)
		if err != nil {
			return explainBroker(err, d.listen)
		}
		defer broker.Close()
		return s.run(ctx, forced, broker.Addrs()[0])
	})
}

// session is karafgo dev while it runs. One goroutine has it; others write to the console only.
type session struct {
	console *console
	app     *app
	args    []string
	samples bool

	site    *site
	env     []string
	running *process // nil when none does
	// ready is closed when the running app consumes; nil when none does, or when that is known.
	ready    <-chan struct{}
	consumes bool
	pending  []string // files of samples
	others   sync.WaitGroup
}

// startBroker takes the port that is wanted, or any when that is taken and nobody asked for it.
func (s *session) startBroker(d devCommand, port int) (*devbroker.Broker, error) {
	opts := []devbroker.Option{devbroker.DefaultPartitions(d.partitions), devbroker.AutoCreate()}
	b, err := devbroker.Start(append(opts, devbroker.Port(port))...)
	instead := d.free && taken(err)
	if instead {
		b, err = devbroker.Start(opts...)
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // by the caller
	}
	s.console.sayf("the embedded broker listens on %s", b.Addrs()[0])
	if instead {
		s.console.warnf("port %d is taken, perhaps by another broker: other programs need --brokers %s", port, b.Addrs()[0])
	}
	return b, nil
}

// building is a build in progress.
type building struct {
	cancel context.CancelFunc
	began  time.Time
	result chan error // one
	ended  chan struct{}
}

func (s *session) run(ctx, forced context.Context, broker string) (err error) {
	w, err := watch(s.app.root)
	if err != nil {
		return err
	}
	defer w.close()
	if s.site, err = openSite(s.console, []string{broker}); err != nil {
		return err
	}
	defer s.site.client.Close()
	shown, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer s.others.Wait()
	defer stop()
	s.others.Go(func() { s.site.show(shown) })
	s.others.Go(func() { s.site.follow(shown) })
	s.env = devEnv(os.Environ(), broker)
	if s.samples {
		s.pending = sampleFiles(s.app.root)
		if len(s.pending) == 0 {
			s.console.sayf("there are no sample records: %s/TOPIC%s is sent to TOPIC, a line of JSON for each", samplesDir, sampleSuffix)
		}
	}

	b := s.build(ctx, nil)
	defer func() { b.giveUp() }()
	for {
		select {
		case <-ctx.Done():
			b.giveUp()
			return s.end(ctx, forced)
		case c := <-w.changes:
			s.addSamples(c.samples)
			if c.code {
				b = s.build(ctx, b)
			}
		case err := <-b.done():
			began := b.began
			b = nil
			if s.built(err, began) {
				s.restart(ctx, forced)
			}
		case <-s.ended():
			s.console.warnf("%s has ended by itself: %s; waiting for a change", s.app.name(), s.running.exitText())
			s.running, s.ready, s.consumes = nil, nil, false
		case <-s.ready:
			s.ready, s.consumes = nil, true
		}
		if s.consumes {
			s.sendSamples(ctx)
		}
	}
}

// build begins another build, in the place of one that is in progress: two would write the same file.
func (s *session) build(ctx context.Context, before *building) *building {
	before.giveUp()
	s.console.sayf("building %s", s.app.pkg)
	ctx, cancel := context.WithCancel(ctx)
	b := &building{cancel: cancel, began: time.Now(), result: make(chan error, 1), ended: make(chan struct{})}
	s.others.Go(func() {
		defer close(b.ended)
		if before != nil {
			<-before.ended
		}
		b.result <- s.app.build(ctx)
	})
	return b
}

// giveUp ends a build, if there is one, and its result is for nobody.
func (b *building) giveUp() {
	if b != nil {
		b.cancel()
	}
}

func (b *building) done() <-chan error {
	if b == nil {
		return nil
	}
	return b.result
}

// built says how a build has ended, and whether there is something to start.
func (s *session) built(err error, began time.Time) bool {
	then := "waiting for a change"
	if s.running != nil {
		then = "the old one goes on"
	}
	failed := (*compileError)(nil)
	switch {
	case err == nil:
		s.console.sayf("built in %s", time.Since(began).Round(100*time.Millisecond)) //nolint:mnd // for people
		return true
	case errors.Is(err, context.Canceled):
	case errors.As(err, &failed):
		for _, line := range failed.lines() {
			s.console.line("compile", red, printable(line))
		}
		s.console.warnf("%v; %s", err, then)
	default:
		s.console.warnf("%v; %s", err, then)
	}
	return false
}

// ended is closed when the running app has.
func (s *session) ended() <-chan struct{} {
	if s.running == nil {
		return nil
	}
	return s.running.ended
}

// restart lets the old app end and starts the new one.
func (s *session) restart(ctx, forced context.Context) {
	s.stop(ctx, forced)
	if ctx.Err() != nil {
		return
	}
	p, err := s.app.start(append([]string{"server"}, s.args...), s.env, s.console.printed)
	if err != nil {
		s.console.warnf("%v; waiting for a change", err)
		return
	}
	s.running = p
	s.console.sayf("%s has started, process %d", s.app.name(), p.cmd.Process.Pid)
	waiting, stop := context.WithCancel(ctx)
	ready := make(chan struct{})
	s.ready = ready
	s.others.Go(func() {
		defer stop()
		if s.site.ready(waiting) {
			close(ready)
		}
	})
	s.others.Go(func() {
		select {
		case <-p.ended:
		case <-waiting.Done():
		}
		stop()
	})
}

// stop ends the running app, if there is one.
func (s *session) stop(ctx, forced context.Context) {
	if s.running == nil {
		return
	}
	s.console.sayf("stopping %s", s.app.name())
	s.running.stop(forced, func() {
		times := "twice"
		if ctx.Err() != nil {
			times = "again"
		}
		s.console.sayf("%s still drains, up to its shutdown.drain; Ctrl-C %s ends it by force", s.app.name(), times)
	})
	if s.running.code != 0 {
		s.console.warnf("%s has stopped: %s", s.app.name(), s.running.exitText())
	}
	s.running, s.ready, s.consumes = nil, nil, false
}

// end is after Ctrl-C.
func (s *session) end(ctx, forced context.Context) error {
	s.stop(ctx, forced)
	if forced.Err() != nil {
		return &exit{code: exitForced, why: errors.New("stopped by force")}
	}
	s.console.sayf("stopped")
	return nil
}

func (s *session) addSamples(files []string) {
	for _, f := range files {
		if s.samples && !slices.Contains(s.pending, f) {
			s.pending = append(s.pending, f)
		}
	}
}

func (s *session) sendSamples(ctx context.Context) {
	slices.Sort(s.pending)
	for _, file := range s.pending {
		s.site.send(ctx, s.app.root, file)
	}
	s.pending = nil
}
