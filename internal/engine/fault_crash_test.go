package engine_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/karafgo/karafgo/consumer"
	"github.com/karafgo/karafgo/internal/config"
	"github.com/karafgo/karafgo/internal/engine"
	"github.com/karafgo/karafgo/internal/kafka"
	"github.com/karafgo/karafgo/router"
)

// testMember is the environment variable that makes the test binary a member of a group, which may crash.
const testMember = "KARAFGO_TEST_MEMBER"

// life is what a member process does.
type life struct {
	Brokers []string `json:"brokers"`
	Journal string   `json:"journal"`
	Crash   string   `json:"crash"` // how it ends; empty to end with its standard input
	After   int      `json:"after"` // so many records
	// Database is where its results and offsets are; empty for the journal.
	Database database `json:"database"`
}

// config is the member's configuration.
func (l life) config() config.Config {
	cfg := testConfig(l.Brokers)
	cfg.Group.SessionTimeout, cfg.Group.HeartbeatInterval = time.Second, 100*time.Millisecond
	cfg.Commit.Interval = 5 * time.Millisecond
	return cfg
}

// live is the main function of a member process.
func live(text string) error {
	var l life
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		return err
	}
	file, err := os.OpenFile(l.Journal, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if l.Database.Driver != "" {
		return l.liveExternal()
	}
	n := 0
	table, err := router.Draw(each("a", consumer.HandlerFunc(func(ctx context.Context, m *consumer.Message) error {
		n++
		if n > l.After && l.Crash != "" {
			crash(l.Crash)
		}
		if _, err := fmt.Fprintln(file, m.Offset); err != nil {
			return err
		}
		if err := file.Sync(); err != nil {
			return err
		}
		if n == l.After/2 { // so that every life gets somewhere, however slow the machine is
			return m.CommitThrough(ctx)
		}
		return m.MarkThrough()
	}), func(r *router.Route) { r.ManualOffsets() }))
	if err != nil {
		return err
	}
	return l.consume(table)
}

// consume runs until the standard input ends.
func (l life) consume(table *router.Table) error {
	settings := engine.Configure(l.config())
	settings.Connect = kafka.New(l.config(), nil)
	e := engine.New(table, settings)
	if err := e.Start(context.Background()); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return e.Stop(context.Background())
}

// crash ends the process in a way that no code can catch.
func crash(how string) {
	switch how {
	case "stack overflow":
		debug.SetMaxStack(1 << 20)
		_ = overflow(os.Getpid())
	case "concurrent map writes":
		shared := map[int]int{}
		for range 8 {
			go func() {
				for i := 0; ; i++ {
					shared[i%8] = i
				}
			}()
		}
		select {}
	default:
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func overflow(n int) int {
	if n == 0 { // never: it grows
		return 0
	}
	return overflow(n+1) + 1
}

// crashes runs one member after the other, each of which crashes after some records, then one that does not. It returns what they said.
func (c *cluster) crashes(t *testing.T, how string, times, after, records int) string {
	t.Helper()
	var said strings.Builder
	c.topic("a", 1)
	c.produce("a", 0, records)
	l := life{Brokers: c.ListenAddrs(), Journal: t.TempDir() + "/journal", Crash: how, After: after}
	var begins []int64
	lines, next := 0, int64(0)
	for run := range times + 1 {
		if run == times {
			l.Crash = ""
		}
		at := max(c.committed("g", "a", 0), 0)
		text, err := json.Marshal(l)
		c.g.Expect(err).NotTo(HaveOccurred())
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), testMember+"="+string(text))
		stdin, err := cmd.StdinPipe()
		c.g.Expect(err).NotTo(HaveOccurred())
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		c.g.Expect(cmd.Start()).To(Succeed())
		if run == times {
			c.g.Eventually(func() int64 { return c.committed("g", "a", 0) }, patience).Should(BeEquivalentTo(records))
			c.g.Expect(stdin.Close()).To(Succeed())
			c.g.Expect(cmd.Wait()).To(Succeed(), out.String())
		} else {
			c.g.Expect(cmd.Wait()).To(HaveOccurred())
			said.WriteString(out.String())
		}
		all := offsetsIn(c.g, l.Journal)
		c.g.Expect(len(all)).To(BeNumerically(">", lines), out.String())
		begins = append(begins, at)
		// A commit that the killed process had on the wire is stored a moment after its death.
		c.g.Expect(all[lines]).To(And(BeNumerically(">=", at), BeNumerically("<=", next)), "run %d begins where the last one's commit left off", run)
		for ; lines < len(all); lines++ {
			c.g.Expect(all[lines]).To(BeNumerically("<=", next), "nothing is left out")
			next = max(next, all[lines]+1)
		}
	}
	c.g.Expect(next).To(BeEquivalentTo(records))
	c.g.Expect(begins[len(begins)-1]).To(BeNumerically(">", 0), "crashes in between do not begin anew")
	return said.String()
}

func offsetsIn(g *WithT, file string) (all []int64) {
	f, err := os.Open(file)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		var at int64
		_, err := fmt.Sscan(s.Text(), &at)
		g.Expect(err).NotTo(HaveOccurred())
		all = append(all, at)
	}
	return all
}

func TestF52_CrashThatNothingCatchesIsLikeAKill(t *testing.T) {
	t.Parallel()
	for how, says := range map[string]string{
		"stack overflow": "overflow", "concurrent map writes": "map",
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			said := c.crashes(t, how, 2, 100, 500)
			NewWithT(t).Expect(said).To(ContainSubstring(says), "the runtime tells where")
		})
	}
}

func TestF82_KilledInTheMiddleOverAndOver(t *testing.T) {
	t.Parallel()
	newCluster(t).crashes(t, "SIGKILL", 5, 150, 2000)
}

func TestF65_MetadataOfOthersIsIgnored(t *testing.T) {
	t.Parallel()
	for name, metadata := range map[string]string{
		"foreign": "consumer-1-7b1d", "version": "karafgo/99;topic=nonsense;done=!!", "binary": "\x00\xff\xfe", "long": strings.Repeat("x", 4096),
		"cut off": "karafgo/1;topic=",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			c.topic("a", 1)
			c.produce("a", 0, 20)
			var at kadm.Offsets
			at.Add(kadm.Offset{Topic: "a", At: 10, LeaderEpoch: -1, Metadata: metadata})
			c.g.Expect(c.admin.CommitAllOffsets(t.Context(), "g", at)).To(Succeed())
			j := newJournal()
			p := c.run(t, each("a", j.handler("m")))
			j.awaitRecords(t, 10)
			p.stop()
			c.g.Expect(j.offsets("a", 0)).To(Equal(sequence(20)[10:]))
			c.g.Expect(c.committed("g", "a", 0)).To(BeEquivalentTo(20))
		})
	}
}
