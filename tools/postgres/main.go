//go:build unix

// Command postgres runs PostgreSQL until it is told to stop, for tests: make test-postgres.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "postgres:", err)
		os.Exit(1)
	}
}

func run() error {
	name := flag.String("user", "postgres", "who runs the server when root runs this: root may not")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), "usage: postgres [flags] [-- command]\n\n"+
			"Runs an empty PostgreSQL on a free port of the loopback interface until Ctrl-C, or for as long as the command runs, which\n"+
			"finds it in KARAFGO_TEST_POSTGRES. It needs initdb and postgres: Debian's package is postgresql.\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	s, err := start(ctx, *name)
	if err != nil {
		return err
	}
	defer s.close()
	fmt.Fprintln(os.Stderr, "PostgreSQL:", s.url())
	if flag.NArg() == 0 {
		<-ctx.Done()
		return nil
	}
	cmd := exec.CommandContext(ctx, flag.Arg(0), flag.Args()[1:]...) //nolint:gosec // what the user asks for
	cmd.Env = append(os.Environ(), "KARAFGO_TEST_POSTGRES="+s.url())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

// server is a PostgreSQL of its own: data, log and all.
type server struct {
	dir  string
	bin  string
	port int
	who  *syscall.Credential
	cmd  *exec.Cmd
	done chan struct{}
}

func (s *server) url() string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres", s.port)
}

func start(ctx context.Context, name string) (s *server, err error) {
	s = &server{done: make(chan struct{})}
	if s.bin, err = binaries(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "postgres"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(s.dir)
		}
	}()
	if os.Geteuid() == 0 {
		if err := s.become(name); err != nil {
			return nil, err
		}
	}
	if s.port, err = freePort(ctx); err != nil {
		return nil, err
	}
	data := filepath.Join(s.dir, "data")
	initdb := s.command(ctx, "initdb", "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "-D", data)
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	s.cmd = s.command(context.WithoutCancel(ctx), "postgres", "-D", data, "-c", "listen_addresses=127.0.0.1",
		"-c", "port="+strconv.Itoa(s.port), "-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=400")
	text, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return nil, err
	}
	s.cmd.Stdout, s.cmd.Stderr = text, text
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.done)
	}()
	if err := s.await(ctx); err != nil {
		said, _ := os.ReadFile(text.Name())
		s.close()
		return nil, fmt.Errorf("%w\n%s", err, said)
	}
	return s, nil
}

// become gives the folder to an account, which runs the server.
func (s *server) become(name string) error {
	account, err := user.Lookup(name)
	if err != nil {
		return fmt.Errorf("the server does not run as root: %w; name an account with -user", err)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		return err
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		return err
	}
	s.who = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return os.Chown(s.dir, int(uid), int(gid))
}

func (s *server) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...) //nolint:gosec // PostgreSQL's own
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.who, Setpgid: true} // Ctrl-C is for this process, which ends it
	return cmd
}

// await waits until the server answers.
func (s *server) await(ctx context.Context) error {
	const patience, pause = time.Minute, 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if s.command(ctx, "pg_isready", "-q", "-h", "127.0.0.1", "-p", strconv.Itoa(s.port)).Run() == nil {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-s.done:
			return errors.New("the server ended")
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w", ctx.Err())
		}
	}
}

// close ends the server and removes all that it has written.
func (s *server) close() {
	_ = s.cmd.Process.Signal(syscall.SIGINT) // PostgreSQL's fast shutdown
	select {
	case <-s.done:
	case <-time.After(10 * time.Second):
		_ = s.cmd.Process.Signal(syscall.SIGQUIT)
		<-s.done
	}
	_ = os.RemoveAll(s.dir)
}

// binaries is the folder that has initdb and postgres: of the PATH, or the newest of Debian's.
func binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errors.New("initdb is neither in the PATH nor in /usr/lib/postgresql: install PostgreSQL (Debian's package postgresql)")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}

func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil //nolint:forcetypeassert // it is TCP
}
