package main

import (
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"
)

// listening waits for the broker of a session, and returns its address.
func listening(t *testing.T, s *gexec.Session) string {
	t.Helper()
	NewWithT(t).Eventually(s.Out).Should(gbytes.Say(`127\.0\.0\.1:\d+`))
	return regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(string(s.Out.Contents()))
}

func TestBrokerStopsWhenItIsTold(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	s := karafgo(t, t.TempDir(), "broker", "--listen", "127.0.0.1:0", "--topics", "a:6,b", "--brokers", "2")
	at := listening(t, s)
	g.Eventually(s.Out).Should(gbytes.Say(`topics a:6, b:3`))
	g.Eventually(s.Out).Should(gbytes.Say("--brokers " + at))
	g.Eventually(s.Out).Should(gbytes.Say("kcat -b " + at + " -C -t a"))
	g.Eventually(s.Out).Should(gbytes.Say("Ctrl-C"))
	s.Interrupt()
	g.Eventually(s).Should(gexec.Exit(0))
	g.Expect(s.Out).To(gbytes.Say("everything is forgotten"))
	g.Expect(s.Err.Contents()).To(BeEmpty())
}

func TestBrokerNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = taken.Close() })
	port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	full := t.TempDir()
	write(t, filepath.Join(full, "thesis.tex"), "")
	for want, args := range map[string][]string{
		"--listen 127.0.0.1:" + port + ": another program listens there": {"--listen", "127.0.0.1:" + port},
		"on this machine only: want 127.0.0.1:9092":                      {"--listen", "0.0.0.0:9092"},
		"want host:port":                  {"--listen", "nowhere"},
		"--listen :99999: want host:port": {"--listen", ":99999"},
		"--topics a:x: want names":        {"--topics", "a:x"},
		"--topics :3: want names":         {"--topics", ":3"},
		"0 partitions":                    {"--topics", "a:0"},
		"-1 partitions":                   {"--partitions", "-1"},
		"0 brokers":                       {"--brokers", "0"},
		"thesis.tex":                      {"--data-dir", full},
		"see karafgo broker --help":       {"--bogus"},
		`unknown command "extra"`:         {"extra"},
	} {
		code, stdout, stderr := run(t, t.TempDir(), append([]string{"broker"}, args...)...)
		g.Expect(code).To(Equal(exitFailed), stderr)
		g.Expect(stdout).To(BeEmpty())
		g.Expect(stderr).To(And(HavePrefix("error: "), ContainSubstring(want)))
		g.Expect(strings.Count(stderr, "\n")).To(Equal(1), "one line: %s", stderr)
	}
}

// kcat runs Debian's kcat (librdkafka) with a broker.
func kcat(t *testing.T, broker, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command("kcat", append([]string{"-b", broker, "-m", "60"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), stderr.String())
	return string(out)
}

func TestKcatTalksToTheBroker(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("kcat"); err != nil {
		t.Skip("kcat is not installed, so that librdkafka is not tried: apt-get install kcat")
	}
	g := NewWithT(t)
	dir := t.TempDir()
	begin := func(args ...string) (string, *gexec.Session) {
		s := karafgo(t, dir, append([]string{"broker", "--data-dir", "data", "--listen", "127.0.0.1:0"}, args...)...)
		return listening(t, s), s
	}
	end := func(s *gexec.Session) {
		s.Interrupt()
		g.Eventually(s).Should(gexec.Exit(0))
	}
	const format = "%t/%p@%o %k=%s (%K,%S) [%h]\n"
	read := func(broker, topic string) string {
		return kcat(t, broker, "", "-C", "-q", "-e", "-t", topic, "-f", format)
	}

	broker, s := begin("--topics", "a:1,b:3")
	kcat(t, broker, "k1:v1\nk2:v 2\n", "-P", "-t", "a", "-K", ":", "-H", "trace=t1", "-H", "trace=t2", "-H", "empty")
	kcat(t, broker, "k1:\n", "-P", "-t", "a", "-K", ":", "-Z")
	const sent = "a/0@0 k1=v1 (2,2) [trace=t1,trace=t2,empty=NULL]\n" +
		"a/0@1 k2=v 2 (2,3) [trace=t1,trace=t2,empty=NULL]\n" +
		"a/0@2 k1= (2,-1) []\n"
	g.Expect(read(broker, "a")).To(Equal(sent), "keys, headers and a tombstone")
	for _, codec := range []string{"gzip", "snappy", "lz4", "zstd"} {
		kcat(t, broker, codec+"\n", "-P", "-t", "codecs", "-p", "0", "-z", codec)
	}
	g.Expect(kcat(t, broker, "", "-C", "-q", "-e", "-t", "codecs")).To(Equal("gzip\nsnappy\nlz4\nzstd\n"), "in a topic that nobody has made")
	kcat(t, broker, "once\n", "-P", "-t", "b", "-p", "2", "-X", "transactional.id=x")
	kcat(t, broker, "once\n", "-P", "-t", "b", "-p", "2", "-X", "enable.idempotence=true")
	g.Expect(kcat(t, broker, "", "-Q", "-t", "a:0:-1")).To(Equal("a [0] offset 3\n"))
	g.Expect(kcat(t, broker, "", "-L")).To(And(ContainSubstring(broker), ContainSubstring(`topic "a" with 1 partitions`),
		ContainSubstring(`topic "b" with 3 partitions`), ContainSubstring(`topic "codecs" with 3 partitions`)))

	group := func(broker string) string {
		return kcat(t, broker, "", "-q", "-e", "-X", "auto.offset.reset=earliest", "-f", "%s\n", "-G", "g", "a")
	}
	g.Expect(group(broker)).To(Equal("v1\nv 2\n\n"))
	end(s)

	broker, s = begin("--topics", "a:9")
	g.Expect(read(broker, "a")).To(Equal(sent), "after a restart on the same folder")
	kcat(t, broker, "k3:v3\n", "-P", "-t", "a", "-K", ":")
	g.Expect(group(broker)).To(Equal("v3\n"), "the group goes on where it was")
	end(s)
}
