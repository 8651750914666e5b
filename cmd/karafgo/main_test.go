package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"
	"go.uber.org/goleak"
)

// runVariable makes the test binary karafgo itself, so that signals, exit codes and what replaces the process are as they are.
const runVariable = "KARAFGO_TEST_RUN"

const exitLeak = 99

func TestMain(m *testing.M) {
	SetDefaultEventuallyTimeout(longest)
	if os.Getenv(runVariable) == "" {
		goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
			_ = os.RemoveAll(caches()) // it is a temporary folder
			os.Exit(code)
		}))
		return
	}
	_ = os.Unsetenv("KARAFGO_UPDATE_GOLDEN") // it is the tests', and an app would call it an unknown key of its configuration
	code := execute(os.Args[1:], os.Stdout, os.Stderr)
	if err := goleak.Find(goleak.IgnoreAnyFunction("os/signal.loop")); err != nil { // runs for ever, once for a process
		fmt.Fprintln(os.Stderr, err)
		code = exitLeak
	}
	os.Exit(code)
}

// longest is how long anything may take on a machine that is busy.
const longest = 2 * time.Minute

// karafgo runs karafgo in a folder until the test ends.
func karafgo(t *testing.T, dir string, args ...string) *gexec.Session {
	t.Helper()
	g := NewWithT(t)
	cmd := exec.Command(os.Args[0], args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), runVariable+"=1", "XDG_CACHE_HOME="+caches(), "GOCACHE="+goEnv(t, "GOCACHE"), "GOPROXY=off", "GOFLAGS=")
	s, err := gexec.Start(cmd, nil, nil)
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() {
		g.Eventually(func() int { // by force if need be, with what it has started
			if s.ExitCode() < 0 {
				s.Interrupt()
			}
			return s.ExitCode()
		}).WithPolling(time.Second).ShouldNot(BeNumerically("<", 0))
		if t.Failed() {
			t.Logf("karafgo %s\n%s%s", strings.Join(args, " "), s.Out.Contents(), s.Err.Contents())
		}
	})
	return s
}

// run runs karafgo to its end.
func run(t *testing.T, dir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	s := karafgo(t, dir, args...)
	NewWithT(t).Eventually(s).Should(gexec.Exit())
	return s.ExitCode(), string(s.Out.Contents()), string(s.Err.Contents())
}

// caches is where binaries of apps go.
var caches = sync.OnceValue(func() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("karafgo-test-%d", os.Getpid()))
})

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return strings.TrimSpace(string(out))
}

// write makes a file, with its folders.
func write(t *testing.T, path, text string) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(os.MkdirAll(filepath.Dir(path), 0o750)).To(Succeed())
	g.Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed())
}
