package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// afterKill is how long the output of a process that is gone is waited for: what it has started may keep it open.
const afterKill = time.Second

// process is a running app.
type process struct {
	cmd *exec.Cmd
	// ended is closed when it has ended; code is its exit code then, -1 for the end by a signal.
	ended chan struct{}
	code  int
	state string
	began time.Time
}

// start runs the app. What it prints goes to each, line by line.
func (a *app) start(args, env []string, each func(line []byte)) (*process, error) {
	cmd := exec.Command(a.binary, args...) //nolint:gosec,noctx // what was built a moment ago; it is asked to stop, not killed
	cmd.Args[0] = a.name()
	cmd.Dir, cmd.Env = a.root, env
	out, errs := &lineWriter{each: each}, &lineWriter{each: each}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = out, errs, afterKill
	group(cmd)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", a.name(), err)
	}
	p := &process{cmd: cmd, ended: make(chan struct{}), began: time.Now()}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // the state says it
		out.flush()
		errs.flush()
		p.code, p.state = cmd.ProcessState.ExitCode(), cmd.ProcessState.String()
	}()
	return p, nil
}

// stop lets the app drain, until forced ends. slow is called when that takes a while.
func (p *process) stop(forced context.Context, slow func()) {
	_ = terminate(p.cmd.Process) // it may be gone
	patience := time.AfterFunc(patience, slow)
	defer patience.Stop()
	select {
	case <-p.ended:
	case <-forced.Done():
		_ = killGroup(p.cmd.Process) // as above
		<-p.ended
	}
}

// patience is how long a stop takes before the reader is told what it waits for.
const patience = 2 * time.Second

// devEnv is the environment of the app: it connects to the embedded broker and makes its topics there, tells its progress soon, and logs
// what karafgo dev can read.
func devEnv(environ []string, broker string) []string {
	own := map[string]string{
		"KARAFGO_KAFKA__BROKERS":        broker,
		"KARAFGO_KAFKA__MISSING_TOPICS": "create",
		"KARAFGO_COMMIT__INTERVAL":      "500ms",
		"KARAFGO_LOG__FORMAT":           "json",
	}
	env := make([]string, 0, len(environ)+len(own))
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		if _, replaced := own[name]; !replaced {
			env = append(env, e)
		}
	}
	for name, value := range own {
		env = append(env, name+"="+value)
	}
	return env
}

// exitText says how a process has ended.
func (p *process) exitText() string {
	after := time.Since(p.began).Round(100 * time.Millisecond) //nolint:mnd // for people
	if p.code < 0 {
		return fmt.Sprintf("%s after %s", p.state, after)
	}
	return fmt.Sprintf("exit code %d after %s", p.code, after)
}
