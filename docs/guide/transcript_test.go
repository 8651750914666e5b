package guide_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"
)

const transcript = "../first-five-minutes.md"

// A transcript is what somebody sees at a terminal: commands behind $, and what they print. ^C is a press of Ctrl-C, and a line … stands
// for lines that are left out. A line that begins with so many spaces continues the one before, as karafgo dev writes them.
const (
	prompt       = "$ "
	ctrlC        = "^C"
	leftOut      = "…"
	continuation = "                 "
)

// step is one command of a transcript, and what is printed.
type step struct {
	command     string
	prints      []string
	interrupted bool
	after       []string // printed behind ^C
}

// steps are those of all blocks of a page.
func steps(text string) []step {
	var all []step
	for _, shown := range blocks(text, "console") {
		lines := strings.Split(strings.TrimSuffix(shown, "\n"), "\n")
		for i := 0; i < len(lines); i++ {
			command, begins := strings.CutPrefix(lines[i], prompt)
			if begins {
				for strings.Contains(command, "<<'EOF'") && lines[i] != "EOF" {
					i++
					command += "\n" + lines[i]
				}
				all = append(all, step{command: command})
				continue
			}
			s := &all[len(all)-1]
			printed := &s.prints
			if s.interrupted {
				printed = &s.after
			}
			switch rest, continues := strings.CutPrefix(lines[i], continuation); {
			case lines[i] == ctrlC:
				s.interrupted = true
			case lines[i] == leftOut:
			case continues:
				(*printed)[len(*printed)-1] += " " + rest
			default:
				*printed = append(*printed, lines[i])
			}
		}
	}
	return all
}

// changes are of what is another each time.
var changes = []struct {
	what    *regexp.Regexp
	instead string
}{
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`), "2026-11-21T06:30:00Z"},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d\b`), "06:30:00"},
	{regexp.MustCompile(`(?m)^building \./cmd/shop\n`), ""}, // said when it takes longer than a second
	{regexp.MustCompile(`\bprocess \d+`), "process 4711"},
	{regexp.MustCompile(`\bbuilt in \S+`), "built in 1s"},
	{regexp.MustCompile(`\b127\.0\.0\.1:\d+`), "127.0.0.1:9092"},
	{regexp.MustCompile(`(?m)^(ok\s+\S+\s+)(\d+\.\d+s|\(cached\))$`), "${1}0.1s"},
}

// session is somebody at a terminal, in a home of their own.
type session struct {
	t     *testing.T
	home  string
	paths *strings.Replacer
	env   []string
	dir   string
}

func newSession(t *testing.T) *session {
	t.Helper()
	g := NewWithT(t)
	checkout, err := filepath.Abs("../..")
	g.Expect(err).NotTo(HaveOccurred())
	home, err := filepath.EvalSymlinks(t.TempDir())
	g.Expect(err).NotTo(HaveOccurred())
	s := &session{t: t, home: home, dir: checkout, paths: strings.NewReplacer(checkout, "/home/ada/karafgo", home, "/home/ada")}
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		switch { // what would change what programs and make print
		case strings.HasPrefix(name, "KARAFGO_"), strings.HasPrefix(name, "XDG_"), strings.HasPrefix(name, "MAKE"), name == "MFLAGS":
		default:
			s.env = append(s.env, e)
		}
	}
	for _, name := range []string{"GOENV", "GOPATH", "GOCACHE", "GOMODCACHE"} { // they are below the other home
		value, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		g.Expect(err).NotTo(HaveOccurred())
		s.env = append(s.env, name+"="+strings.TrimSpace(string(value)))
	}
	bin := filepath.Join(home, "go", "bin")
	s.env = append(s.env, "HOME="+home, "GOBIN="+bin, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"),
		"GOFLAGS=-buildvcs=false", "GOWORK=", "KARAFGO_HTTP__LISTEN=127.0.0.1:0") // the port may be taken here
	return s
}

// plain is text without what is another each time.
func (s *session) plain(text string) string {
	text = s.paths.Replace(text)
	for _, c := range changes {
		text = c.what.ReplaceAllString(text, c.instead)
	}
	return text
}

func (s *session) plainLines(lines []string) (all []any) {
	for _, line := range lines {
		all = append(all, s.plain(line))
	}
	return all
}

// shell is a shell with a command; the folder that it ends in is that of the next one.
func (s *session) shell(script string) *exec.Cmd {
	cmd := exec.CommandContext(s.t.Context(), "sh", "-c", script)
	cmd.Dir, cmd.Env = s.dir, s.env
	return cmd
}

// run runs a command to its end: it prints what the page says, and nothing else.
func (s *session) run(c step) {
	s.t.Helper()
	g := NewWithT(s.t)
	state := filepath.Join(s.home, ".pwd")
	out, err := s.shell(c.command + "\ncode=$?; pwd > '" + state + "'; exit $code").CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), "%s: %s", c.command, out)
	want := strings.Join(c.prints, "\n")
	g.Expect(s.plain(strings.TrimSuffix(string(out), "\n"))).To(Equal(s.plain(want)), "%s printed\n%s", c.command, out)
	dir, err := os.ReadFile(state)
	g.Expect(err).NotTo(HaveOccurred())
	s.dir = strings.TrimSpace(string(dir))
}

// longest is how long anything may take on a machine that is busy.
const longest = 3 * time.Minute

// interrupt runs a command until it has printed all that the page says, in whatever order, and then presses Ctrl-C.
func (s *session) interrupt(c step) {
	s.t.Helper()
	g := NewWithT(s.t)
	running, err := gexec.Start(s.shell("exec "+c.command+" 2>&1"), nil, nil)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() {
		running.Interrupt() // when it has not been
		<-running.Exited
	}()
	printed := func() []string { return strings.Split(s.plain(string(running.Out.Contents())), "\n") }
	g.Eventually(printed).WithTimeout(longest).Should(ContainElements(s.plainLines(c.prints)...), c.command)
	running.Interrupt()
	g.Eventually(running).WithTimeout(longest).Should(gexec.Exit(0), func() string {
		return fmt.Sprintf("%s printed\n%s", c.command, running.Out.Contents())
	})
	g.Expect(printed()).To(ContainElements(s.plainLines(c.after)...), c.command)
}

// The first five minutes are as the page shows them, command for command.
func TestFirstFiveMinutes(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	page, err := os.ReadFile(transcript)
	g.Expect(err).NotTo(HaveOccurred())
	all := steps(string(page))
	g.Expect(len(all)).To(BeNumerically(">=", 5), "commands found")
	s := newSession(t)
	for _, c := range all {
		began := time.Now()
		if c.interrupted {
			s.interrupt(c)
		} else {
			s.run(c)
		}
		first, _, _ := strings.Cut(c.command, "\n")
		t.Logf("%v: %s", time.Since(began).Round(time.Millisecond), first)
	}
}

// background runs a command until the test ends.
func (s *session) background(command string) *gexec.Session {
	s.t.Helper()
	running, err := gexec.Start(s.shell("exec "+command+" 2>&1"), nil, nil)
	NewWithT(s.t).Expect(err).NotTo(HaveOccurred())
	s.t.Cleanup(func() { // before its context ends, which would kill it
		running.Interrupt()
		<-running.Exited
	})
	return running
}

// settled waits until both groups of the shop have members, and have handled all that there is. One reading is not enough: what the second
// group has to do is written while the first is read.
func (s *session) settled() {
	s.t.Helper()
	quiet := 0
	NewWithT(s.t).Eventually(func() (int, error) {
		out, err := s.shell("karafgo groups -o json").Output()
		if err != nil {
			return 0, err
		}
		var groups []struct {
			State string `json:"state"`
			Lag   int64  `json:"lag"`
		}
		if err := json.Unmarshal(out, &groups); err != nil {
			return 0, err
		}
		joined := 0
		for _, g := range groups {
			if g.State == "Stable" && g.Lag == 0 {
				joined++
			}
		}
		quiet++
		if joined < 2 { //nolint:mnd // of the shop
			quiet = 0
		}
		return quiet, nil
	}).WithTimeout(longest).Should(BeNumerically(">=", 2)) //nolint:mnd // readings
}

// What is done by task is as the guide shows it.
func TestOperatingByTask(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	page, err := os.ReadFile("operating.md")
	g.Expect(err).NotTo(HaveOccurred())
	all := steps(string(page))
	g.Expect(len(all)).To(BeNumerically(">=", 5), "commands found")
	s := newSession(t)
	g.Expect(s.shell("go install ./cmd/karafgo && cd ~ && karafgo new shop && cd shop && karafgo routes").Run()).To(Succeed())
	s.dir = filepath.Join(s.home, "shop")
	broker := s.background("karafgo broker --listen 127.0.0.1:0")
	listening := regexp.MustCompile(`listening on (\S+);`)
	g.Eventually(func() string { return string(broker.Out.Contents()) }).WithTimeout(longest).Should(MatchRegexp(listening.String()))
	s.env = append(s.env, "KARAFGO_KAFKA__BROKERS="+string(listening.FindSubmatch(broker.Out.Contents())[1]), "KARAFGO_COMMIT__INTERVAL=100ms")
	server := s.background("karafgo server")
	for _, c := range all {
		if strings.HasPrefix(c.command, "karafgo reset") {
			server.Interrupt()
			g.Eventually(server).WithTimeout(longest).Should(gexec.Exit(0))
		} else {
			s.settled()
		}
		s.run(c)
	}
}

// indented are the commands of a section of the README, without what is said beside them.
var indented = regexp.MustCompile(`(?m)^ {4}(.*?)(?:  +#.*)?$`)

// Who follows the README types what the transcript shows.
func TestReadmeLeadsThroughTheFirstFiveMinutes(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	readme, err := os.ReadFile("../../README.md")
	g.Expect(err).NotTo(HaveOccurred())
	page, err := os.ReadFile(transcript)
	g.Expect(err).NotTo(HaveOccurred())
	_, section, found := strings.Cut(string(readme), "## Five minutes\n")
	g.Expect(found).To(BeTrue())
	section, _, _ = strings.Cut(section, "\n## ")
	commands := indented.FindAllStringSubmatch(section, -1)
	g.Expect(len(commands)).To(BeNumerically(">=", 5), "commands found")
	typed := steps(string(page))
	for _, c := range commands {
		for len(typed) > 0 && typed[0].command != c[1] {
			typed = typed[1:]
		}
		g.Expect(typed).NotTo(BeEmpty(), "%q is not on the page, or not in this order", c[1])
	}
}
